/**
 * A request of several keys as requests of one key each. A part is no copy: its arguments are where the whole request's
 * are, and so is its name, since GET is the end of MGET and SET that of MSET; the other commands keep theirs.
 *
 *     MGET a b c      GET a         GET b         GET c
 *     MSET a 1 b 2    SET a 1       SET b 2
 *     DEL a b         DEL a         DEL b         (UNLINK, EXISTS, TOUCH)
 */
import { assert } from '../util/assert.js'
import type { Command } from './command.js'
import { lastKeyOf } from './key-routing.js'

/** Name, key and value. */
const PART_ARGUMENTS_MAX = 3
/** What GET and SET are shorter than MGET and MSET. */
const M = 1

export class RequestParts {
  /** Of the whole request, and hence of the part. */
  bytes: Buffer = Buffer.alloc(0)
  /** Of the part that take() has made. */
  readonly offsets = new Int32Array(2 * PART_ARGUMENTS_MAX)
  argc = 0
  /** How many parts there are. */
  count = 0
  #whole: Int32Array = new Int32Array(0)
  #firstKey = 0
  #keyStep = 0
  #nameSkip = 0

  /**
   * Takes apart a request whose argument count fits the command. False when it is not one that can be, or when its keys
   * and values do not pair up: then the whole is to be run as it is, and says what is wrong.
   */
  begin(command: Command, bytes: Buffer, offsets: Int32Array, argc: number): boolean {
    const { split, firstKey, keyStep } = command
    this.count = 0
    if (split !== 'array' && split !== 'sum' && split !== 'ok') return false
    if ((argc - firstKey) % keyStep !== 0) return false
    this.bytes = bytes
    this.#whole = offsets
    this.#firstKey = firstKey
    this.#keyStep = keyStep
    this.#nameSkip = split === 'sum' ? 0 : M
    this.count = Math.floor((lastKeyOf(command, argc) - firstKey) / keyStep) + 1
    this.argc = 1 + keyStep
    return true
  }

  /** Makes `offsets` those of part `index`. */
  take(index: number): void {
    assert(index < this.count, 'a part of the request')
    const { offsets } = this
    const whole = this.#whole
    offsets[0] = whole[0] + this.#nameSkip
    offsets[1] = whole[1]
    const from = 2 * (this.#firstKey + index * this.#keyStep)
    for (let i = 0; i < 2 * this.#keyStep; i++) offsets[2 + i] = whole[from + i]
  }
}

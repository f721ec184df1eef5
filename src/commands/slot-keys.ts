/**
 * CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT, over what this node holds. A slot is one contiguous range of tokens, so they
 * are short walks; but a hash tag may put any number of keys into one slot, so a walk gives up the turn between steps and
 * waits for blocks where it has to.
 */
import { COLD_SCAN } from '../coordinator/keyspace.js'
import type { Keyspace } from '../coordinator/keyspace.js'
import { ReplyWriter } from '../resp/reply-writer.js'
import { SLOT_COUNT, slotOf } from '../ring/slot.js'
import { TOKENS_PER_SLOT } from '../ring/token.js'
import { integerOf } from './args.js'
import { NOT_AN_INTEGER } from './error-texts.js'
import { HeldBlocks, endOfTurn } from './held-blocks.js'
import type { Handler, Outcome, Request } from './request.js'
import { DONE } from './request.js'

const STEP_KEYS = 256
/** What one GETKEYSINSLOT answers at most, whatever count says; Redis has no bound. */
export const SLOT_KEYS_MAX = 100_000
const ITEMS_BYTES_FIRST = 1024

export const countKeysInSlot: Handler = (request) => {
  const slot = integerOf(request, 2)
  if (Number.isNaN(slot)) return refuse(request, NOT_AN_INTEGER)
  if (slot < 0 || slot >= SLOT_COUNT) return refuse(request, 'ERR Invalid slot')
  const walk = new SlotWalk(slot, Infinity, null)
  return run(request, walk, (reply) => reply.integer(walk.count))
}

export const getKeysInSlot: Handler = (request) => {
  const slot = integerOf(request, 2)
  const count = integerOf(request, 3)
  if (Number.isNaN(slot) || Number.isNaN(count)) return refuse(request, NOT_AN_INTEGER)
  if (slot < 0 || slot >= SLOT_COUNT || count < 0)
    return refuse(request, 'ERR Invalid slot or number of keys')
  const items = new ReplyWriter(ITEMS_BYTES_FIRST)
  const walk = new SlotWalk(slot, Math.min(count, SLOT_KEYS_MAX), items)
  return run(request, walk, (reply) => {
    reply.array(walk.count)
    reply.rendered(items.buffer, 0, items.length)
  })
}

/** Walks the keys of one slot, step by step, up to `limit` of them. */
class SlotWalk {
  count = 0
  readonly #slot: number
  readonly #limit: number
  readonly #items: ReplyWriter | null
  #cursor: number
  #isPast = false

  constructor(slot: number, limit: number, items: ReplyWriter | null) {
    this.#slot = slot
    this.#limit = limit
    this.#items = items
    this.#cursor = slot * TOKENS_PER_SLOT
  }

  /** Whether the walk is over; COLD_SCAN when blocks have to come first, and nothing has been visited then. */
  step(keyspace: Keyspace): boolean | typeof COLD_SCAN {
    const { count } = this
    const length = this.#items?.length ?? 0
    const next = keyspace.scan(this.#cursor, STEP_KEYS, this.#visit)
    if (next === COLD_SCAN) {
      this.count = count
      this.#isPast = false
      if (this.#items !== null) this.#items.length = length
      return COLD_SCAN
    }
    this.#cursor = next
    return this.#isPast || next === 0 || next >= (this.#slot + 1) * TOKENS_PER_SLOT
  }

  readonly #visit = (bytes: Buffer, start: number, end: number): void => {
    if (this.count >= this.#limit || slotOf(bytes, start, end) !== this.#slot) {
      this.#isPast = true
      return
    }
    this.#items?.bulk(bytes, start, end)
    this.count++
  }
}

/** One step at once, which mostly is the whole walk; the others in later turns. */
function run(request: Request, walk: SlotWalk, render: (reply: ReplyWriter) => void): Outcome {
  const { keyspace, node, reply } = request
  const first = walk.step(keyspace)
  if (first !== true) {
    return request.defer(async (own) => {
      const held = new HeldBlocks(keyspace)
      for (let over: boolean | typeof COLD_SCAN = first; over !== true; over = walk.step(keyspace)) {
        if (over === COLD_SCAN) await held.load()
        else {
          held.release()
          await endOfTurn(node.clock)
        }
      }
      held.release()
      render(own)
    })
  }
  render(reply)
  return DONE
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

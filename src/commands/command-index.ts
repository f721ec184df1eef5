/**
 * Finds a command by the bytes of its name, whatever their case, without making a string: the request path does this
 * once per request. An open-addressing table with at most one slot in eight taken; a wrong slot is told apart by length
 * and bytes. (A Map would need a string per request; a perfect hash would have to be rebuilt with every new command.)
 *
 * The hash folds case by setting bit 5 of every byte. That also makes some other bytes alike ('@' and '`'), which
 * only costs a comparison.
 */
import { assert } from '../util/assert.js'
import type { Command } from './command.js'

const SLOTS_PER_COMMAND = 8
const UPPER_A = 0x41
const UPPER_Z = 0x5a
const CASE_BIT = 0x20

export class CommandIndex {
  readonly #slots: (Command | null)[]
  readonly #mask: number
  /** Nothing longer is even hashed: a client may send a name of many megabytes. */
  readonly #longestBytes: number
  /** In the table's order. */
  readonly commands: readonly Command[]

  constructor(commands: readonly Command[]) {
    this.commands = commands
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1, commands.length) * SLOTS_PER_COMMAND))
    this.#mask = slots - 1
    this.#longestBytes = Math.max(0, ...commands.map((command) => command.word.length))
    this.#slots = new Array<Command | null>(slots).fill(null)
    for (const command of commands) this.#insert(command)
  }

  /** The command named bytes[start, end), or null. */
  find(bytes: Uint8Array, start: number, end: number): Command | null {
    if (end - start > this.#longestBytes) return null
    let slot = hashOf(bytes, start, end) & this.#mask
    for (let command = this.#slots[slot]; command !== null; command = this.#slots[slot]) {
      if (sameName(command.word, bytes, start, end)) return command
      slot = (slot + 1) & this.#mask
    }
    return null
  }

  #insert(command: Command): void {
    assert(this.find(command.word, 0, command.word.length) === null, `two commands named ${command.name}`)
    let slot = hashOf(command.word, 0, command.word.length) & this.#mask
    while (this.#slots[slot] !== null) slot = (slot + 1) & this.#mask
    this.#slots[slot] = command
  }
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] | CASE_BIT), 0x01000193)
  return hash ^ (hash >>> 15)
}

function sameName(name: Buffer, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i]
    const lower = byte >= UPPER_A && byte <= UPPER_Z ? byte | CASE_BIT : byte
    if (lower !== name[i]) return false
  }
  return true
}

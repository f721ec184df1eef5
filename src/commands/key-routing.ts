/**
 * Where the keys of a request live, and what the request does to them: what routing asks before anything runs. Looks at
 * the bytes in place and fills one object, because it is asked for every request.
 *
 * The texts of redirections are Redis's own, which cluster clients take apart.
 */
import { slotOf } from '../ring/slot.js'
import type { Command } from './command.js'
import type { Effect } from './table/command-row.js'

/** On the smart port, and for MSETNX on every port. */
export const CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"
/** A slot that has no home. */
export const SLOT_NOT_SERVED = 'CLUSTERDOWN Hash slot not served'

/** The error that sends a cluster client to `port` of `address`. */
export function movedText(slot: number, address: string, port: number): string {
  return `MOVED ${slot} ${address}:${port}`
}

const NO_SLOT = -1
/** KV.SIBLINGS key, which only shows. */
const ARGUMENTS_OF_SIBLINGS = 2
/** Clears the bit that tells a small ASCII letter from its capital. */
const TO_UPPER = 0xdf

/** The keys of one request after the other. */
export class KeyRouting {
  /** How many keys the request names; one named twice counts twice. */
  keys = 0
  /** Slot of the first key; -1 without keys. */
  slot = NO_SLOT
  /** Whether all keys lie in that slot, by hash tags or by chance. */
  isOneSlot = true
  /** Slot of the last key, which differs from `slot` only if not all are in one; of two keys, the second's. */
  lastSlot = NO_SLOT

  /**
   * Takes the keys of a request whose argument count fits the command. Argument i is bytes[offsets[2i], offsets[2i+1]).
   */
  of(command: Command, bytes: Uint8Array, offsets: Int32Array, argc: number): void {
    this.keys = 0
    this.slot = NO_SLOT
    this.lastSlot = NO_SLOT
    this.isOneSlot = true
    const { firstKey, keyStep } = command
    if (firstKey === 0) return
    const last = lastKeyOf(command, argc)
    for (let i = firstKey; i <= last; i += keyStep) {
      const slot = slotOf(bytes, offsets[2 * i], offsets[2 * i + 1])
      if (this.keys++ === 0) this.slot = slot
      else if (slot !== this.slot) this.isOneSlot = false
      this.lastSlot = slot
    }
  }
}

/** Argument number of the last key. */
export function lastKeyOf({ lastKey }: Command, argc: number): number {
  return lastKey < 0 ? argc + lastKey : lastKey
}

/**
 * What a request does to its keys: the command's effect, but for a SET or a RESOLVE whose options make it depend on the old
 * value, and for KV.SIBLINGS that only shows.
 */
export function effectOf(command: Command, bytes: Uint8Array, offsets: Int32Array, argc: number): Effect {
  if (command.effect !== 'blind-write') return command.effect
  if (command.name === 'kv.siblings' && argc === ARGUMENTS_OF_SIBLINGS) return 'read'
  const first = firstOption(command.name)
  for (let i = first; i < argc; i++) {
    if (isCondition(bytes, offsets[2 * i], offsets[2 * i + 1])) return 'conditional'
  }
  return 'blind-write'
}

/** Argument number of a blind write's first option. */
function firstOption(command: string): number {
  if (command === 'set') return 3
  return command === 'kv.siblings' ? 6 : Infinity
}

function isCondition(bytes: Uint8Array, start: number, end: number): boolean {
  switch (end - start) {
    case 2:
      return isWordAt(bytes, start, 'NX') || isWordAt(bytes, start, 'XX')
    case 3:
      return isWordAt(bytes, start, 'GET')
    case 4:
      return isWordAt(bytes, start, 'IFEQ')
    case 7:
      return isWordAt(bytes, start, 'KEEPTTL')
    default:
      return false
  }
}

function isWordAt(bytes: Uint8Array, start: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    if ((bytes[start + i] & TO_UPPER) !== word.charCodeAt(i)) return false
  }
  return true
}

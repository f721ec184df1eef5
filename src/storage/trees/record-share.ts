/**
 * What one record adds to the trees: 64 bits, as two numbers, and the hour that it dies in. A pure function of the
 * record as it counts above the flush mark (RULES P4), so replicas that hold the same add the same, whatever their disks
 * look like (V9). The record's own checksum covers its key, whole context, and every sibling's dot, kind, expiry and
 * value checksum; the winner's stamp and value checksum stand beside it, because 32 bits alone would be too few. So no
 * more than three words are read and mixed, and nothing is hashed that was hashed before.
 *
 * Contexts are taken as they stand, not cut by the purge horizon (V7): that moves with time, and trees do not. Two nodes
 * of which one has cut a context differ until an exchange has merged the two.
 */
import { isLocalTombstone } from '../entry.js'
import { deathHourEndMs, deathTime } from '../../record/death.js'
import { hlcToWallMs } from '../../record/hlc.js'
import {
  KIND_VALUE,
  NEVER_DIES,
  SIBLING_BYTES,
  siblingCount,
  siblingHlc,
  siblingsStart,
} from '../../record/layout.js'
import { normaliseRecord } from '../../record/normalise.js'
import { decodeRecord, encodeHead } from '../../record/record.js'
import { readI32, readU48, readU53 } from '../../util/bytes.js'

export const HOUR_MS = 3600_000
/** The hour of what never dies. Every other is the number of hours from 1970 to its end, hence above. */
export const NEVER_HOUR = 0

/** Mutable: the hot path refills a single one. */
export class RecordShare {
  /** Signed 32-bit halves of the record's 64 bits. */
  low = 0
  high = 0
  hour = NEVER_HOUR

  /** The same of an entry's record: what a dropped window has left adds nothing (RULES T2). */
  ofEntry(bytes: Uint8Array, record: number, flushMark: number): boolean {
    return !isLocalTombstone(bytes, record) && this.of(bytes, record, flushMark)
  }

  /** Of the verified record at `at`; false when all of it lies at or below the flush mark (an HLC, 0 for none): it adds nothing. */
  of(bytes: Uint8Array, at: number, flushMark: number): boolean {
    const siblings = siblingCount(bytes, at)
    if (siblings === 0) return this.#ofOther(bytes, at, flushMark)
    const winner = siblingsStart(bytes, at)
    if (siblingHlc(bytes, winner + (siblings - 1) * SIBLING_BYTES) <= flushMark) {
      return this.#ofOther(bytes, at, flushMark)
    }
    this.hour = siblings === 1 ? hourOfSibling(bytes, winner) : hourOf(deathTime(bytes, at))
    this.#mix(readI32(bytes, at), readI32(bytes, winner), readI32(bytes, winner + 20))
    return true
  }

  /** Some or all siblings are gone: the record is decoded and what is left of it encoded anew. */
  #ofOther(bytes: Uint8Array, at: number, flushMark: number): boolean {
    const record = normaliseRecord(decodeRecord(bytes, at), { flushMark, purgeHorizonMs: 0 })
    if (record === null) return false
    const head = encodeHead(record)
    if (record.siblings.length > 0) return this.of(head, 0, 0)
    this.hour = hourOf(deathTime(head, 0))
    this.#mix(readI32(head, 0), 0, 0)
    return true
  }

  #mix(checksum: number, stamp: number, value: number): void {
    const products = (Math.imul(stamp, 0x9e3779b1) + Math.imul(value, 0x85ebca77)) | 0
    this.low = spread((checksum + products) | 0)
    this.high = spread(Math.imul(checksum, 0xc2b2ae3d) ^ rotated(Math.imul(value, 0x27d4eb2f)) ^ stamp)
  }
}

function rotated(word: number): number {
  return (word << 13) | (word >>> 19)
}

/** MurmurHash3's finish: each bit of the word turns half of the result, so that sums do not show what was combined. */
function spread(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** hourOf(siblingDeathTime(…)) of the sibling described at `at`. */
function hourOfSibling(bytes: Uint8Array, at: number): number {
  if (bytes[at + 7] !== KIND_VALUE) {
    return Math.ceil(hlcToWallMs(readU53(bytes, at)) / HOUR_MS)
  }
  const expireAtMs = readU48(bytes, at + 8)
  return expireAtMs === 0 ? NEVER_HOUR : Math.ceil(expireAtMs / HOUR_MS)
}

/** The hour that a death (milliseconds since 1970, or NEVER_DIES) falls into. */
export function hourOf(deathMs: number): number {
  return deathMs === NEVER_DIES ? NEVER_HOUR : deathHourEndMs(deathMs) / HOUR_MS
}

/** When an hour ends, milliseconds since 1970; NEVER_DIES for that of what never dies. */
export function hourEndMsOf(hour: number): number {
  return hour === NEVER_HOUR ? NEVER_DIES : hour * HOUR_MS
}

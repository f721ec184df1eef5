/**
 * The version digest (RULES V9): 64 bits, as two numbers, by which replicas agree that they hold the same record without
 * sending it. It covers the key, the whole context, and per sibling the dot, kind, expiry, length and value checksum, of
 * the record as it counts under the cutoffs. In the encoding these stand side by side, from the key's length up to the
 * values, so the digest is two xxHash32 over that one range: no value is touched, and nothing that is a node's own
 * (entry header, sequence, flags) can get in. Dots alone would not do: they are equal where a value has rotted.
 *
 * Almost always normalising changes nothing, which is seen in place; only else the record is decoded and its head
 * encoded anew.
 */
import { xxh32 } from '../util/xxhash.js'
import { deathTime, maxHlc } from './death.js'
import { wallMsToHlc } from './hlc.js'
import {
  SIBLING_BYTES,
  contextCount,
  siblingCount,
  siblingHlc,
  siblingsStart,
  valuesStart,
} from './layout.js'
import { normaliseRecord, type Cutoffs } from './normalise.js'
import { decodeRecord, encodeHead } from './record.js'

const FIRST_SEED = 3
const SECOND_SEED = 4
/** The digest starts at the key's length: checksum, length and format are encoding, not content. */
const DIGEST_FROM = 9

/** Mutable, because an exchange digests millions of records and refills a single one. */
export class Digest {
  /** Unsigned 32-bit halves; both 0 for a record that counts as absent. */
  first = 0
  second = 0

  /** Digests the verified record at `at`; false when it counts as absent. */
  of(bytes: Uint8Array, at: number, cutoffs: Cutoffs): boolean {
    if (!mayChange(bytes, at, cutoffs)) return this.#hash(bytes, at + DIGEST_FROM, valuesStart(bytes, at))
    const record = normaliseRecord(decodeRecord(bytes, at), cutoffs)
    if (record === null) {
      this.first = 0
      this.second = 0
      return false
    }
    const head = encodeHead(record)
    return this.#hash(head, DIGEST_FROM, head.length)
  }

  #hash(bytes: Uint8Array, start: number, end: number): true {
    this.first = xxh32(bytes, start, end, FIRST_SEED) >>> 0
    this.second = xxh32(bytes, start, end, SECOND_SEED) >>> 0
    return true
  }
}

/** Whether normalising may change the record: never false when it would. */
function mayChange(bytes: Uint8Array, at: number, cutoffs: Cutoffs): boolean {
  const siblings = siblingCount(bytes, at)
  if (siblings === 0) return true
  const oldestAt = siblingsStart(bytes, at) + (siblings - 1) * SIBLING_BYTES
  if (siblingHlc(bytes, oldestAt) <= cutoffs.flushMark) return true
  if (deathTime(bytes, at) <= cutoffs.purgeHorizonMs) return true
  return contextCount(bytes, at) > 1 && maxHlc(bytes, at) < wallMsToHlc(cutoffs.purgeHorizonMs)
}

/**
 * Brings a record that was made elsewhere, or merged, into this node's store: what a replica does with every write and a
 * reader with every repair (RULES L1, V1, V5). Of the incoming record and the newest one held
 *
 *     the held one absorbs the other      nothing changes
 *     the incoming one absorbs it         its bytes are appended as they are
 *     neither                             both are decoded, merged, encoded and appended
 *
 * in one synchronous step, so that nothing comes between what was held and what replaces it (V2). The first two, which are
 * all but true conflicts, go on encoded bytes and allocate nothing.
 *
 * What is dead at or below the purge horizon of its range counts as absent, held or incoming: it is neither merged nor appended
 * (P3), and contexts of true conflicts are reduced where that horizon allows it (V7).
 *
 * What is appended holds no sibling at or below the flush mark (P4), so that a start that replays the log counts as this does.
 */
import type { Clock } from '../env/clock.js'
import { absorbs, oldestSiblingHlc } from '../record/containment.js'
import { deathTime, maxHlc, winnerIsLive } from '../record/death.js'
import type { Digest } from '../record/digest.js'
import {
  KIND_VALUE,
  NEVER_DIES,
  contextCount,
  keyLength,
  keyStart,
  siblingCount,
  siblingExpireAt,
  siblingKind,
  siblingsStart,
} from '../record/layout.js'
import { applyPolicy, flush, mergeRecords } from '../record/merge.js'
import { normaliseRecord } from '../record/normalise.js'
import type { MergePolicy } from '../record/merge.js'
import { decodeRecord, encodeRecord } from '../record/record.js'
import type { RecordValue } from '../record/record.js'
import type { Dot } from '../record/version-vector.js'
import { KeyHash, slotOfToken } from '../ring/token.js'
import { EntryRef, FLAG_SHADOWS, entrySequence, outlives } from '../storage/entry.js'
import { DISPLACED_FOREVER, DISPLACED_NOTHING } from '../storage/log/segment-format.js'
import type { Store } from '../storage/store.js'
import { COLD, FOUND } from '../storage/table/table-lookup.js'
import { assert } from '../util/assert.js'
import { BlockLoad } from './block-load.js'
import type { LoadedBlocks } from './keyspace.js'

/** Instead of a sequence: blocks are missing. startLoads() gets them; then the same call can be made again. */
export const MERGE_COLD = -1

/** What a merger asks of its node and tells it. */
export interface MergerNode {
  /** What concurrent writes of the key bytes[start, end) become. */
  policyOf(bytes: Buffer, start: number, end: number): MergePolicy
  /** The highest stamp of a record that was taken in: the next dot of the node exceeds it (RULES V4). */
  witness(hlc: number): void
  /** The purge horizon of the slot's range, milliseconds since 1970; 0 for none. */
  horizonOf(slot: number): number
  /** These dots of the key came with two contents: corruption (RULES V1). The content of the larger checksum was kept. */
  onCorruptDots(bytes: Buffer, keyStart: number, keyEnd: number, dots: readonly Dot[]): void
}

/** A version vector of more entries than this is long (RULES V7). */
const LONG_VECTOR = 10

export class RecordMerger {
  /** Since the start: conflicts that left more than one sibling, and records taken in with a long vector. */
  conflicts = 0
  longVectors = 0
  readonly #store: Store
  readonly #clock: Clock
  readonly #node: MergerNode
  readonly #hash = new KeyHash()
  readonly #entry = new EntryRef()
  readonly #cutoffs = { flushMark: 0, purgeHorizonMs: 0 }
  /** Of the key that is being merged. */
  #horizonMs = 0

  constructor(store: Store, clock: Clock, node: MergerNode) {
    this.#store = store
    this.#clock = clock
    this.#node = node
  }

  /**
   * Takes in the sound record bytes[start, end). Answers the sequence of the own entry that holds it from now on, which an
   * acknowledgement has to see durable, or MERGE_COLD. Admission is the caller's to ask for; throws StoreError as
   * Store.appendRecord does, and then nothing has changed.
   */
  merge(bytes: Buffer, start: number, end: number): number {
    const keyAt = keyStart(start)
    this.#hash.of(bytes, keyAt, keyAt + keyLength(bytes, start))
    return this.mergeHashed(this.#hash, bytes, start, end)
  }

  /** As merge(), for a record whose key's hashes are known. */
  mergeHashed(hash: KeyHash, bytes: Buffer, start: number, end: number): number {
    const keyAt = keyStart(start)
    const keyEnd = keyAt + keyLength(bytes, start)
    const store = this.#store
    const entry = this.#entry
    const horizonMs = this.#node.horizonOf(slotOfToken(hash.token))
    this.#horizonMs = horizonMs
    if (horizonMs !== 0 && deathTime(bytes, start) <= horizonMs) return 0
    const answer = store.find(hash, bytes, keyAt, keyEnd, entry)
    if (answer === COLD) return MERGE_COLD
    const { flushMark } = store
    const isLww = this.#node.policyOf(bytes, keyAt, keyEnd) === 'lww'
    const { bytes: held, record } = entry
    const isOver = answer === FOUND
    if (!isOver || (horizonMs !== 0 && deathTime(held, record) <= horizonMs)) {
      if (maxHlc(bytes, start) <= flushMark) return store.flushMarkSequence
      const isFinal = oldestSiblingHlc(bytes, start) > flushMark && !(isLww && siblingCount(bytes, start) > 1)
      return isFinal
        ? this.#append(hash, bytes, start, end, isOver)
        : this.#clean(hash, bytes, start, isLww, isOver)
    }
    if (absorbs(held, record, bytes, start, isLww, flushMark)) return entrySequence(held, record)
    const replaces =
      oldestSiblingHlc(bytes, start) > flushMark && absorbs(bytes, start, held, record, isLww, flushMark)
    return replaces ? this.#append(hash, bytes, start, end, true) : this.#join(hash, bytes, start, isLww)
  }

  /**
   * Appends the encoded record over what is held of its key, without merging the two: it was made from that. Otherwise as
   * merge().
   */
  replace(record: Buffer): number {
    const keyAt = keyStart(0)
    const keyEnd = keyAt + keyLength(record, 0)
    this.#hash.of(record, keyAt, keyEnd)
    const answer = this.#store.find(this.#hash, record, keyAt, keyEnd, this.#entry)
    return answer === COLD ? MERGE_COLD : this.#append(this.#hash, record, 0, record.length, answer === FOUND)
  }

  /**
   * Digests what is held of the key bytes[start, end); `into` is 0, 0 when that counts as absent. Answers the sequence that
   * the digest shows, 0 for none (RULES R2), or MERGE_COLD.
   */
  digestOf(bytes: Buffer, start: number, end: number, into: Digest): number {
    const entry = this.#entry
    const sequence = this.find(bytes, start, end, entry)
    if (sequence === MERGE_COLD) return MERGE_COLD
    this.#cutoffs.flushMark = this.#store.flushMark
    this.#cutoffs.purgeHorizonMs = this.#node.horizonOf(slotOfToken(this.#hash.token))
    if (entry.record !== 0) {
      into.of(entry.bytes, entry.record, this.#cutoffs)
    } else {
      into.first = 0
      into.second = 0
    }
    return sequence
  }

  /**
   * The newest record held of the key bytes[start, end); `into.record` is 0 when none is, when all of it lies below the flush
   * mark, or when it is dead and at or below the purge horizon (RULES P3). Answers the sequence that this shows, 0 for none (RULES R2), or MERGE_COLD.
   */
  find(bytes: Buffer, start: number, end: number, into: EntryRef): number {
    const store = this.#store
    this.#hash.of(bytes, start, end)
    const answer = store.find(this.#hash, bytes, start, end, into)
    if (answer === COLD) return MERGE_COLD
    if (answer !== FOUND) {
      into.record = 0
      return 0
    }
    const sequence = entrySequence(into.bytes, into.record)
    const horizonMs = this.#node.horizonOf(slotOfToken(this.#hash.token))
    if (horizonMs !== 0 && deathTime(into.bytes, into.record) <= horizonMs) {
      into.record = 0
      return sequence
    }
    if (oldestSiblingHlc(into.bytes, into.record) > store.flushMark) return sequence
    if (maxHlc(into.bytes, into.record) <= store.flushMark) into.record = 0
    return Math.max(sequence, store.flushMarkSequence)
  }

  /** After MERGE_COLD: loads the block that was missing. `before` are blocks that the same task has waited for already. */
  startLoads(onLoaded: (load: BlockLoad) => void, before: LoadedBlocks | null = null): BlockLoad {
    const table = this.#store.coldTable
    assert(table !== null, 'a COLD answer names its table')
    const load = new BlockLoad([table], [table.coldBlock], [false], onLoaded, before)
    load.start()
    return load
  }

  /** The record is the key's first here, or over one that counts as absent, and has siblings that are not to stay. */
  #clean(hash: KeyHash, bytes: Buffer, start: number, isLww: boolean, isOver: boolean): number {
    const record = applyPolicy(flush(decodeRecord(bytes, start), this.#store.flushMark), policy(isLww))
    const clean = encodeRecord(record)
    return this.#append(hash, clean, 0, clean.length, isOver)
  }

  /** Neither record absorbs the other. */
  #join(hash: KeyHash, bytes: Buffer, start: number, isLww: boolean): number {
    const incoming = this.#reduced(decodeRecord(bytes, start))
    const held = this.#reduced(decodeRecord(this.#entry.bytes, this.#entry.record))
    const { record, corruptDots } = mergeRecords(held, incoming, policy(isLww), this.#store.flushMark)
    const merged = encodeRecord(record)
    if (record.siblings.length > 1) this.conflicts++
    const sequence = this.#append(hash, merged, 0, merged.length, true)
    if (corruptDots.length > 0) {
      const keyAt = keyStart(start)
      this.#node.onCorruptDots(bytes, keyAt, keyAt + keyLength(bytes, start), corruptDots)
    }
    return sequence
  }

  /** The record with the context that it counts with (RULES V7); neither of the two that merge is dead at or below the horizon. */
  #reduced(record: RecordValue): RecordValue {
    const purgeHorizonMs = this.#horizonMs
    return purgeHorizonMs === 0
      ? record
      : (normaliseRecord(record, { flushMark: 0, purgeHorizonMs }) ?? record)
  }

  /** Appends over the entry that was found last, if `isOver`. */
  #append(hash: KeyHash, bytes: Buffer, start: number, end: number, isOver: boolean): number {
    const { bytes: held, record } = this.#entry
    const store = this.#store
    const dies = deathTime(bytes, start)
    const shadows = isOver && dies !== NEVER_DIES && outlives(held, record, dies)
    const displaced = isOver ? this.#displacedBy(held, record) : DISPLACED_NOTHING
    const flags = shadows ? FLAG_SHADOWS : 0
    const over = isOver ? held : null
    const sequence = store.appendRecord(hash, bytes, start, end, over, record, flags, displaced)
    const winner = siblingsStart(bytes, start)
    const isValue = siblingCount(bytes, start) > 0 && siblingKind(bytes, winner) === KIND_VALUE
    const slot = slotOfToken(hash.token)
    if (isValue) store.counts.wrote(slot, displaced, siblingExpireAt(bytes, winner))
    else store.counts.deleted(slot, displaced)
    if (contextCount(bytes, start) > LONG_VECTOR) this.longVectors++
    this.#node.witness(maxHlc(bytes, start))
    return sequence
  }

  #displacedBy(held: Buffer, record: number): number {
    const expireAtMs = siblingExpireAt(held, siblingsStart(held, record))
    // What never expires needs no look at the clock, which is slow.
    const nowMs = expireAtMs === 0 ? 0 : this.#store.expiryMs(this.#clock.wallMs())
    if (!winnerIsLive(held, record, nowMs, this.#store.flushMark)) return DISPLACED_NOTHING
    return expireAtMs === 0 ? DISPLACED_FOREVER : expireAtMs
  }
}

function policy(isLww: boolean): MergePolicy {
  return isLww ? 'lww' : 'siblings'
}

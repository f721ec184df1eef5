/**
 * The keyspace of a node that owns all keys: it reads its own store, mints the dots, and decides what a record means now.
 * Everything that makes a write safe on one node is in `set`: the predecessor is read, the dot minted and the record
 * appended in one synchronous step (RULES V2), the dot lies above everything the node has seen (V4), and what the write
 * replaces is noted for the counts and for expiry windows (T1).
 *
 * A lookup is remembered until the next append, so the usual find-then-set probes once; a set whose lookup is no longer
 * current looks again, which cannot be COLD, because the command has found the key in this same step.
 *
 * `needSequence` is the highest sequence that the replies of the current batch depend on: what they wrote, and what they
 * read that is not yet durable (R2). The server holds the replies back until the store is that far.
 */
import type { Clock } from '../env/clock.js'
import type { Random } from '../env/random.js'
import { capExceeded } from '../record/caps.js'
import type { CapExceeded } from '../record/caps.js'
import { deathTime, maxHlc, winnerIsLive } from '../record/death.js'
import type { Digest } from '../record/digest.js'
import { HLC_MAX, Hlc, hlcToWallMs } from '../record/hlc.js'
import {
  CONTEXT_ENTRY_BYTES,
  HEADER_BYTES,
  KIND_DELETION,
  KIND_VALUE,
  NEVER_DIES,
  SIBLING_BYTES,
} from '../record/layout.js'
import { keyLength, keyStart, recordLength, siblingExpireAt, siblingsStart } from '../record/layout.js'
import { singleRecordBytes, writeSingleRecord } from '../record/record-writer.js'
import { applyPolicy, flush } from '../record/merge.js'
import type { MergePolicy } from '../record/merge.js'
import { decodeRecord, deletionSibling, encodeRecord, encodedBytes, valueSibling } from '../record/record.js'
import type { RecordValue, SiblingKind } from '../record/record.js'
import { resolveRecord } from '../record/resolve.js'
import { newestHlc } from '../record/version-vector.js'
import type { VersionVector } from '../record/version-vector.js'
import type { TokenRange } from '../ring/slot-range.js'
import { slotOf } from '../ring/slot.js'
import { KeyHash, slotOfToken, TOKEN_END } from '../ring/token.js'
import { EntryRef, entryFlags, entrySequence, FLAG_SHADOWS, outlives } from '../storage/entry.js'
import { DISPLACED_FOREVER, DISPLACED_NOTHING, ENTRY_FRAME_BYTES } from '../storage/log/segment-format.js'
import { StoreError } from '../storage/store-error.js'
import type { Store } from '../storage/store.js'
import { COLD as STORE_COLD, FOUND } from '../storage/table/table-lookup.js'
import type { TableLookup } from '../storage/table/table-lookup.js'
import { assert } from '../util/assert.js'
import { readU16, readU24, readU32, readU48, readU53 } from '../util/bytes.js'
import { AnnouncedKeys } from './announced-keys.js'
import type { BlockLoad } from './block-load.js'
import { ColdBlocks } from './cold-blocks.js'
import { DurableWaiters } from './durable-waiters.js'
import { ClusterError } from './cluster-error.js'
import { EagerReads } from './eager-reads.js'
import { ABSENT, COLD, COLD_SCAN, LIVE } from './keyspace.js'
import type { Found, Keyspace, KeyVisitor, LoadedBlocks, Lookup } from './keyspace.js'
import { RecordOverlay } from './record-overlay.js'
import { DRAFT, OFF, RequestJournal } from './request-journal.js'
import { localScanPage } from './local-scan.js'

/** A step of a walk visits at most so many keys, whatever COUNT says: it is one piece of work on the event loop. */
const WALK_VISITS_MAX = 1000
/** Entries, dead ones included, that a step looks at for each visit that it may make. */
const WALK_ENTRIES_PER_VISIT = 10
const WALK_ENTRIES_MIN = 1000
const NOTHING = Buffer.alloc(0)

/** A record, and the flags of its entry. */
interface CountedAgain {
  readonly bytes: Buffer
  readonly flags: number
}

export type PolicyOf = (bytes: Buffer, start: number, end: number) => MergePolicy

export class LocalKeyspace implements Keyspace {
  readonly found: Found = { bytes: NOTHING, start: 0, end: 0, expireAtMs: 0, writtenAtMs: 0, entryBytes: 0 }
  /** See the file's head; the server resets it before each batch. */
  needSequence = 0
  /** Lookups that found a live key, and those that did not, while `countsLookups` was on. */
  hits = 0
  misses = 0
  countsLookups = false
  /** What the current request has found and written, for the coordinator of a cluster. */
  readonly journal = new RequestJournal()
  /** Records that stand before the store during the current run. */
  readonly overlay = new RecordOverlay()
  /** The server announces keys here before it runs requests. */
  readonly announced: AnnouncedKeys
  readonly #cutoffs = { flushMark: 0, purgeHorizonMs: 0 }
  #horizonOf: (bytes: Buffer, start: number, end: number) => number = () => 0
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  #hlc: Hlc
  /** The highest stamp that other nodes take (RULES C2). */
  #stampLimit: () => number = () => HLC_MAX
  /** How conflicts of the key bytes[start, end) are resolved. */
  #policyOf: PolicyOf = () => 'siblings'
  /** This node in every dot; new at every start and whenever the node may have forgotten one (RULES V6). */
  #actor: number
  #nowMs: number
  readonly #ownHash = new KeyHash()
  /** Of the key of the last find(). */
  #hash = this.#ownHash
  readonly #entry = new EntryRef()
  /** What the last find() was of, and at which sequence; the bytes are null when there is none. */
  #foundIn: Buffer | null = null
  #foundStart = 0
  #foundEnd = 0
  #foundAtSequence = -1
  #predecessor: Buffer | null = null
  /** Longest context among what was found in this batch of requests, in entries. */
  #contextEntriesMax = 0
  #displaced = DISPLACED_NOTHING
  readonly #cold: ColdBlocks
  /** Null: every missing block is read in the thread pool. */
  readonly #eager: EagerReads | null
  /**
   * Whether the next find() may read a block on the spot: only a request's first one may, because such a read can take
   * the place of the block that an earlier find() of the request still points into.
   */
  #mayReadNow = false
  #hitsBefore = 0
  #missesBefore = 0
  readonly #waiters: DurableWaiters
  #expiryNow: () => number

  /** `readsEagerly`: see EagerReads; simulations leave it off, so that every cold read waits. */
  constructor(store: Store, clock: Clock, random: Random, readsEagerly = false) {
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#expiryNow = () => store.expiryMs(clock.wallMs())
    this.#nowMs = this.#expiryNow()
    this.announced = new AnnouncedKeys(store)
    this.#cold = new ColdBlocks(store)
    this.#waiters = new DurableWaiters(store)
    this.#hlc = new Hlc(store.loaded.maxHlc)
    this.#actor = random.next53()
    this.#eager = readsEagerly ? new EagerReads() : null
  }

  get actor(): number {
    return this.#actor
  }

  /** RULES V6: after the store lost entries that it may have issued. */
  renewActor(): void {
    this.#actor = this.#random.next53()
    this.#hlc.witness(this.#highestBelieved())
  }

  /** RULES T5: what has expired is judged by this time, in milliseconds, instead of the wall clock's. */
  judgeExpiryBy(nowMs: () => number): void {
    this.#expiryNow = () => this.#store.expiryMs(nowMs())
  }

  /** RULES V5: what conflicts become, key by key; by default all siblings stay. */
  usePolicies(policyOf: PolicyOf): void {
    this.#policyOf = policyOf
  }

  /** RULES P3: what is dead at or below the horizon of its slot (milliseconds since 1970) counts as absent in digests. */
  useHorizons(ofSlot: (slot: number) => number): void {
    this.#horizonOf = (bytes, start, end) => ofSlot(slotOf(bytes, start, end))
  }

  /** RULES C2: own stamps above the limit, which others refuse, raise no others; a key that holds one cannot be written. */
  limitStamps(limit: () => number): void {
    this.#stampLimit = limit
    this.#hlc = new Hlc(this.#highestBelieved())
  }

  #highestBelieved(): number {
    const { flushMark, loaded } = this.#store
    return Math.max(flushMark, Math.min(loaded.maxHlc, this.#stampLimit()))
  }

  /** Starts a batch of requests: takes the time and forgets what the last batch's replies depended on. */
  beginBatch(): void {
    this.#nowMs = this.#expiryNow()
    this.needSequence = 0
    this.#foundIn = null
    this.announced.forget()
    this.#contextEntriesMax = 0
    this.#eager?.beginBatch()
  }

  /** Starts a request: see #mayReadNow. */
  beginRequest(): void {
    this.overlay.clear()
    this.#cold.forget()
    this.#mayReadNow = true
    this.#hitsBefore = this.hits
    this.#missesBefore = this.misses
  }

  /** The request will run again: what it counted until now does not count. */
  cancelRequest(): void {
    this.hits = this.#hitsBefore
    this.misses = this.#missesBefore
  }

  /** The next find() only asks for blocks and reads none. */
  noReadNow(): void {
    this.#mayReadNow = false
  }

  nowMs(): number {
    return this.#nowMs
  }

  /** The key's hashes, from its announcement if there was one. */
  #hashOf(bytes: Buffer, start: number, end: number): KeyHash {
    const announced = this.announced.hashOf(bytes, start, end)
    if (announced !== null) return announced
    this.#ownHash.of(bytes, start, end)
    return this.#ownHash
  }

  find(bytes: Buffer, start: number, end: number): Lookup {
    this.#hash = this.#hashOf(bytes, start, end)
    if (this.overlay.count > 0 && this.#findOverlaid(bytes, start, end)) return this.#answerOverlaid()
    const entry = this.#entry
    let answer = this.#store.find(this.#hash, bytes, start, end, entry)
    if (answer === STORE_COLD && this.#mayReadNow) answer = this.#readNow(bytes, start, end)
    this.#mayReadNow = false
    if (answer === STORE_COLD) {
      this.#foundIn = null
      this.#cold.note()
      return COLD
    }
    this.#foundIn = bytes
    this.#foundStart = start
    this.#foundEnd = end
    this.#foundAtSequence = this.#store.sequence
    this.#displaced = DISPLACED_NOTHING
    this.#predecessor = null
    let live = false
    if (answer === FOUND) {
      this.#predecessor = entry.bytes
      const contextEntries = readU16(entry.bytes, entry.record + 14)
      if (contextEntries > this.#contextEntriesMax) this.#contextEntriesMax = contextEntries
      const sequence = entrySequence(entry.bytes, entry.record)
      if (sequence > this.#store.durableSequence) this.#needs(sequence)
      live = this.#readWinner(entry.bytes, entry.record)
    }
    if (this.journal.mode !== OFF) {
      this.journal.found(this.#hash, bytes, start, end, this.#predecessor, entry.record)
    }
    if (this.countsLookups) {
      if (live) this.hits++
      else this.misses++
    }
    return live ? LIVE : ABSENT
  }

  /** Whether the overlay has a record of the key; it is the predecessor then. */
  #findOverlaid(bytes: Buffer, start: number, end: number): boolean {
    const at = this.overlay.find(this.#hash.first, bytes, start, end)
    if (at === -1) return false
    this.#mayReadNow = false
    this.#entry.bytes = this.overlay.bytes
    this.#entry.record = at
    this.#foundIn = bytes
    this.#foundStart = start
    this.#foundEnd = end
    this.#foundAtSequence = this.#store.sequence
    return true
  }

  #answerOverlaid(): Lookup {
    this.#displaced = DISPLACED_NOTHING
    this.#predecessor = this.#entry.bytes
    const live = this.#readWinner(this.#entry.bytes, this.#entry.record)
    if (this.countsLookups) {
      if (live) this.hits++
      else this.misses++
    }
    return live ? LIVE : ABSENT
  }

  /** Reads the missing blocks of one key on the spot, as long as that goes fast. Throws CorruptionError, disk errors. */
  #readNow(bytes: Buffer, start: number, end: number): TableLookup {
    const eager = this.#eager
    let answer: TableLookup = STORE_COLD
    let beforeMs = this.#clock.monotonicMs()
    while (answer === STORE_COLD && eager !== null && eager.allowed(beforeMs)) {
      const table = this.#store.coldTable
      assert(table !== null, 'a COLD answer names its table')
      table.loadSync(table.coldBlock)
      const afterMs = this.#clock.monotonicMs()
      eager.took(afterMs - beforeMs, afterMs)
      beforeMs = afterMs
      answer = this.#store.find(this.#hash, bytes, start, end, this.#entry)
    }
    return answer
  }

  /** RULES R2: what is not durable yet may only be shown once it is; never, when the log has failed. */
  #needs(sequence: number): void {
    const failure = this.#store.logFailure
    if (failure !== null) throw new StoreError('log-failed', failure.message, { cause: failure })
    if (sequence > this.needSequence) this.needSequence = sequence
  }

  /** Whether the record's winner is a live value; `found` and #displaced describe it then. The first sibling is the winner. */
  #readWinner(bytes: Buffer, record: number): boolean {
    const siblings = readU16(bytes, record + 12)
    if (siblings === 0) return false
    const contextBytes = readU16(bytes, record + 14) * CONTEXT_ENTRY_BYTES
    const winner = record + HEADER_BYTES + readU24(bytes, record + 9) + contextBytes
    if (bytes[winner + 7] !== KIND_VALUE) return false
    const expireAtMs = readU48(bytes, winner + 8)
    if (expireAtMs !== 0 && expireAtMs <= this.#nowMs) return false
    const hlc = readU53(bytes, winner)
    if (hlc <= this.#store.flushMark) {
      const sequence = this.#store.flushMarkSequence
      if (sequence > this.#store.durableSequence) this.#needs(sequence)
      return false
    }
    const found = this.found
    const start = winner + siblings * SIBLING_BYTES
    found.bytes = bytes
    found.start = start
    found.end = start + readU32(bytes, winner + 16)
    found.expireAtMs = expireAtMs
    found.writtenAtMs = hlcToWallMs(hlc)
    found.entryBytes = recordLength(bytes, record) + ENTRY_FRAME_BYTES
    this.#displaced = expireAtMs === 0 ? DISPLACED_FOREVER : expireAtMs
    return true
  }

  set(
    bytes: Buffer,
    keyFrom: number,
    keyTo: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): void {
    // Born dead, it is a deletion of now: a record whose death lies below the purge horizon counts as absent (RULES P3).
    if (expireAtMs !== 0 && expireAtMs <= this.#nowMs) return this.delete(bytes, keyFrom, keyTo)
    this.#refind(bytes, keyFrom, keyTo)
    if (this.journal.mode === DRAFT) {
      this.#draft(bytes, keyFrom, keyTo, KIND_VALUE, expireAtMs, value, valueStart, valueEnd)
      return
    }
    const displaced = this.#displaced
    const diesAtMs = expireAtMs === 0 ? Infinity : expireAtMs
    this.#append(bytes, keyFrom, keyTo, KIND_VALUE, expireAtMs, value, valueStart, valueEnd, diesAtMs)
    this.#store.counts.wrote(slotOfToken(this.#hash.token), displaced, expireAtMs)
  }

  delete(bytes: Buffer, keyFrom: number, keyTo: number): void {
    this.#refind(bytes, keyFrom, keyTo)
    if (this.journal.mode === DRAFT) {
      this.#draft(bytes, keyFrom, keyTo, KIND_DELETION, 0, NOTHING, 0, 0)
      return
    }
    const displaced = this.#displaced
    this.#append(bytes, keyFrom, keyTo, KIND_DELETION, 0, NOTHING, 0, 0, this.#nowMs)
    this.#store.counts.deleted(slotOfToken(this.#hash.token), displaced)
  }

  /** Encodes a write into the overlay instead of appending it: it is only proposed (RULES V10). */
  #draft(
    bytes: Buffer,
    keyFrom: number,
    keyTo: number,
    kind: number,
    expireAtMs: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
  ): void {
    const predecessor = this.#predecessor
    const at = this.#entry.record
    const { first, token } = this.#hash
    const length = singleRecordBytes(predecessor, at, this.#actor, keyTo - keyFrom, valueEnd - valueStart)
    const into = this.overlay.put(first, token, bytes, keyFrom, keyTo, length, predecessor, at)
    writeSingleRecord(
      this.overlay.bytes,
      into,
      bytes,
      keyFrom,
      keyTo,
      predecessor,
      at,
      this.#actor,
      this.#mint(predecessor, at),
      kind,
      expireAtMs,
      value,
      valueStart,
      valueEnd,
    )
    this.#foundIn = null
  }

  /** RULES V4: above the clock, everything seen, and every entry of the predecessor's context. */
  #mint(predecessor: Buffer | null, at: number): number {
    return this.#mintOver(predecessor === null ? 0 : maxHlc(predecessor, at))
  }

  /** Throws ClusterError, before anything is applied, when nobody else would take the new dot. */
  #mintOver(floor: number): number {
    if (floor > this.#hlc.last && floor >= this.#stampLimit()) {
      throw new ClusterError('clock', '(the key holds a stamp from the future, see kindred help restamp)')
    }
    return this.#hlc.mint(this.#nowMs, floor)
  }

  /** Digests what find() number `index` of the current run saw; 0, 0 for absent (RULES V9). */
  digestFound(index: number, into: Digest): void {
    const record = this.journal.foundIn[index]
    if (record !== null) {
      const key = this.journal.keyIn[index]
      this.#cutoffs.flushMark = this.#store.flushMark
      this.#cutoffs.purgeHorizonMs = this.#horizonOf(
        key,
        this.journal.keyStarts[index],
        this.journal.keyEnds[index],
      )

      into.of(record, this.journal.foundAt[index], this.#cutoffs)
      return
    }
    into.first = 0
    into.second = 0
  }

  /** The highest stamp issued or seen: what frames to other nodes carry. */
  get stamp(): number {
    return this.#hlc.last
  }

  /** A stamp of another node that is believed (RULES C2). */
  witness(hlc: number): void {
    this.#hlc.witness(hlc)
  }

  #refind(bytes: Buffer, start: number, end: number): void {
    const current =
      this.#foundIn === bytes &&
      this.#foundStart === start &&
      this.#foundEnd === end &&
      this.#foundAtSequence === this.#store.sequence
    if (current) return
    const { found } = this
    const { bytes: valueBytes, start: valueStart, end: valueEnd } = found
    const counts = this.countsLookups
    this.countsLookups = false
    assert(this.find(bytes, start, end) !== COLD, 'a key that is written was found in the same step')
    this.countsLookups = counts
    found.bytes = valueBytes
    found.start = valueStart
    found.end = valueEnd
  }

  #append(
    bytes: Buffer,
    keyFrom: number,
    keyTo: number,
    kind: number,
    expireAtMs: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    diesAtMs: number,
  ): void {
    const predecessor = this.#predecessor
    const at = this.#entry.record
    const shadows = predecessor !== null && diesAtMs !== Infinity && outlives(predecessor, at, diesAtMs)
    this.needSequence = this.#store.append(
      this.#hash,
      bytes,
      keyFrom,
      keyTo,
      predecessor,
      at,
      this.#actor,
      this.#mint(predecessor, at),
      kind,
      expireAtMs,
      value,
      valueStart,
      valueEnd,
      shadows ? FLAG_SHADOWS : 0,
      this.#displaced,
    )
    if (this.journal.mode !== OFF) this.journal.wrote(this.#store.appendedIn, this.#store.appendedAt)
  }

  foundRecord(): RecordValue | null {
    if (this.#foundIn === null || this.#predecessor === null) return null
    const { flushMark } = this.#store
    const record = flush(decodeRecord(this.#predecessor, this.#entry.record), flushMark)
    return record.siblings.length === 0 && newestHlc(record.context) <= flushMark ? null : record
  }

  resolve(
    bytes: Buffer,
    keyFrom: number,
    keyTo: number,
    context: VersionVector,
    kind: SiblingKind,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): CapExceeded | null {
    this.#refind(bytes, keyFrom, keyTo)
    const held = this.foundRecord()
    const floor = Math.max(newestHlc(held?.context ?? []), newestHlc(context))
    const dot = { actor: this.#actor, hlc: this.#mintOver(floor) }
    const isValue = kind === KIND_VALUE
    const sibling = isValue
      ? valueSibling(dot, value.subarray(valueStart, valueEnd), expireAtMs)
      : deletionSibling(dot)
    const whole = resolveRecord(bytes.subarray(keyFrom, keyTo), held, context, sibling)
    const record = applyPolicy(whole, this.#policyOf(bytes, keyFrom, keyTo))
    const exceeded = capExceeded(record.siblings.length, encodedBytes(record))
    if (exceeded !== null) return exceeded
    const encoded = encodeRecord(record)
    if (this.journal.mode === DRAFT) {
      this.#draftWhole(bytes, keyFrom, keyTo, encoded)
      return null
    }
    const displaced = this.#displaced
    const slot = slotOfToken(this.#hash.token)
    this.#appendWhole(encoded)
    if (isValue) this.#store.counts.wrote(slot, displaced, expireAtMs)
    else this.#store.counts.deleted(slot, displaced)
    return null
  }

  /** Appends an encoded record over what was found. */
  #appendWhole(record: Buffer): void {
    const predecessor = this.#predecessor
    const dies = deathTime(record, 0)
    const shadows =
      predecessor !== null && dies !== NEVER_DIES && outlives(predecessor, this.#entry.record, dies)
    this.needSequence = this.#store.appendRecord(
      this.#hash,
      record,
      0,
      record.length,
      predecessor,
      this.#entry.record,
      shadows ? FLAG_SHADOWS : 0,
      this.#displaced,
    )
    if (this.journal.mode !== OFF) this.journal.wrote(this.#store.appendedIn, this.#store.appendedAt)
  }

  /** Puts an encoded record into the overlay, over what was found. */
  #draftWhole(bytes: Buffer, keyFrom: number, keyTo: number, record: Buffer): void {
    const { first, token } = this.#hash
    const { overlay } = this
    const at = overlay.put(
      first,
      token,
      bytes,
      keyFrom,
      keyTo,
      record.length,
      this.#predecessor,
      this.#entry.record,
    )
    record.copy(overlay.bytes, at)
    this.#foundIn = null
  }

  reserve(writes: number, payloadBytes: number): void {
    this.#store.reserve(writes, payloadBytes + writes * this.#contextEntriesMax * CONTEXT_ENTRY_BYTES)
  }

  scan(cursor: number, count: number, visit: KeyVisitor): number {
    this.#nowMs = this.#expiryNow()
    const visits = Math.min(Math.max(1, count), WALK_VISITS_MAX)
    const entries = Math.max(WALK_ENTRIES_MIN, visits * WALK_ENTRIES_PER_VISIT)
    const next = this.#store.walk(
      cursor,
      { visits, entries },
      (bytes, record) => {
        const sequence = entrySequence(bytes, record)
        if (sequence > this.#store.durableSequence) this.#needs(sequence)
        if (!this.#readWinner(bytes, record)) return false
        const start = keyStart(record)
        visit(bytes, start, start + keyLength(bytes, record))
        return true
      },
      (table, block) => this.#cold.noteRun(table, block, visits),
    )
    this.#foundIn = null
    if (next === -1) return COLD_SCAN
    return next === TOKEN_END ? 0 : next
  }

  /**
   * A page of at most about `count` keys for a scan over the cluster (scan-page.ts); null when blocks have to be loaded
   * first. It may leave once the store is durable up to needSequence, as any reply.
   */
  scanPage(range: TokenRange, count: number): Buffer | null {
    const page = localScanPage(this.#store, this.#expiryNow(), range, count, (table, block) =>
      this.#cold.noteRun(table, block, count),
    )
    if (page === null) return null
    if (page.needSequence > this.#store.durableSequence) this.#needs(page.needSequence)
    return page.bytes
  }

  count(): number {
    return this.#store.counts.total(this.#expiryNow())
  }

  countExpiring(): number {
    return this.#store.counts.expiring(this.#expiryNow())
  }

  async flushAll(): Promise<void> {
    this.#store.admit(0)
    const sequence = this.appendFlushMark(this.mintAbove(0))
    await this.whenDurable(sequence)
    this.#store.dropFlushedTables()
  }

  /** A stamp above the clock, everything seen, and `floor`. */
  mintAbove(floor: number): number {
    return this.#hlc.mint(this.#clock.wallMs(), floor)
  }

  /** Removes all that is stamped at or below `mark`; answers the mark's sequence. Throws StoreError; nothing is gone then. */
  appendFlushMark(mark: number): number {
    const newer = mark > this.#hlc.last ? [] : this.#liveAbove(mark)
    const sequence = this.#store.appendFlushMark(this.#actor, mark)
    this.#hlc.witness(mark)
    this.#foundIn = null
    this.#countAgain(newer)
    return sequence
  }

  /**
   * Copies of the entries of live keys that were written after `mark` was made and before it came here: with the mark in the log
   * the counts begin anew, and these keys are still there. They are few and young, so they are in memory.
   */
  #liveAbove(mark: number): CountedAgain[] {
    const newer: CountedAgain[] = []
    const nowMs = this.#expiryNow()
    const hash = this.#ownHash
    this.#store.eachInMemory((bytes, record) => {
      if (!winnerIsLive(bytes, record, nowMs, mark)) return
      const start = keyStart(record)
      const end = start + keyLength(bytes, record)
      hash.of(bytes, start, end)
      if (this.#store.find(hash, bytes, start, end, this.#entry) !== FOUND) return
      const { bytes: newest, record: at } = this.#entry
      if (entrySequence(newest, at) !== entrySequence(bytes, record)) return
      const copy = Buffer.from(bytes.subarray(record, record + recordLength(bytes, record)))
      newer.push({ bytes: copy, flags: entryFlags(bytes, record) })
    })
    return newer
  }

  /** Appends them once more behind the mark, where a replay of the log finds and counts them too. */
  #countAgain(entries: readonly CountedAgain[]): void {
    const { counts } = this.#store
    const hash = this.#ownHash
    try {
      for (const { bytes, flags } of entries) {
        const start = keyStart(0)
        const end = start + keyLength(bytes, 0)
        hash.of(bytes, start, end)
        // An append stands on the look-up of its key that came directly before.
        this.#store.find(hash, bytes, start, end, this.#entry)
        // What it replaces is the same once more.
        this.#store.appendRecord(hash, bytes, 0, bytes.length, bytes, 0, flags, DISPLACED_NOTHING)
        const expireAtMs = siblingExpireAt(bytes, siblingsStart(bytes, 0))
        counts.wrote(slotOfToken(hash.token), DISPLACED_NOTHING, expireAtMs)
      }
    } catch (error) {
      // No room: they stay uncounted until they are written again. The mark is appended, and nothing else is amiss.
      if (!(error instanceof StoreError)) throw error
    }
  }

  /** Resolves once entries up to `sequence` are durable; rejects when the log fails before. */
  whenDurable(sequence: number): Promise<void> {
    return this.#waiters.until(sequence)
  }

  /** The store's onDurable. */
  durableAdvanced(): void {
    this.#waiters.durableAdvanced()
  }

  /** The store's onLogFailed. */
  logFailed(error: Error): void {
    this.#waiters.logFailed(error)
  }

  /** Starts loading what the COLD answers since the last call asked for; null when nothing is missing. */
  startLoads(onLoaded: (load: BlockLoad) => void, before: LoadedBlocks | null = null): BlockLoad | null {
    return this.#cold.startLoads(onLoaded, before)
  }

  whenLoaded(before: LoadedBlocks | null): Promise<LoadedBlocks | null> {
    return new Promise((resolve, reject) => {
      const load = this.startLoads((done) => {
        if (done.error === null) return resolve(done)
        done.release()
        reject(done.error)
      }, before)
      if (load === null) resolve(before)
    })
  }
}

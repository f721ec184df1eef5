/**
 * The storage engine of one node: an LSM tree of records. This file is the request path: look a key up, append an entry,
 * walk keys. What happens behind it (flushes, compactions, disk space) is in maintenance.ts, how a directory comes back
 * after a crash in open-store.ts.
 *
 *     write   record -> arena of the active segment (memtable and log in one) -> log file at the end of the turn
 *     full    active segment -> sealed, synced -> flushed to tables of level 0 by a worker -> log file removed -> retained
 *     read    active segment, sealed and retained segments, tables: newest first; COLD when a block is not in memory
 *
 * The store knows sequences, not dots: who writes (actor, HLC) and what a key's value means is the coordinator's.
 *
 * Invariant: every entry in a segment has a higher sequence than every entry in a table that a younger segment was not
 * flushed to, because segments are flushed in order, and what is younger than a retained segment is in memory too
 * (retained-segments.ts); so a hit in the youngest segment is the newest. Among tables, sequences are compared.
 */
import { assert } from '../util/assert.js'
import { KIND_VALUE, keyLength, keyStart } from '../record/layout.js'
import { maxHlc } from '../record/death.js'
import { encodeRecord } from '../record/record.js'
import { singleRecordBytes, writeSingleRecord } from '../record/record-writer.js'
import { slotOf } from '../ring/slot.js'
import type { SlotRange } from '../ring/slot-range.js'
import { KeyHash, slotOfToken } from '../ring/token.js'
import { copyBytes } from '../util/bytes.js'
import type { BlockCache } from './block-cache.js'
import { deadAtLeast } from './compaction/garbage.js'
import type { CompactionScope } from './compaction/wanted.js'
import { diskErrorCode } from './disk-error.js'
import { isLackOfSpace } from './disk-space.js'
import {
  EntryRef,
  KIND_FLUSH_MARK,
  KIND_RECORD,
  SEQUENCE_MAX,
  entrySequence,
  isLocalTombstone,
  writeEntryHeader,
} from './entry.js'
import { Floors } from './floors.js'
import type { Gap } from './gap.js'
import type { SnapshotJob, SnapshotResult } from './jobs/storage-jobs.js'
import { walkKeys } from './key-walk.js'
import type { ColdVisitor, EntryVisitor, WalkLimits } from './key-walk.js'
import type { LiveCounts } from './live-counts.js'
import { LogWriter } from './log/log-writer.js'
import type { AppendFsync } from './log/log-writer.js'
import { Segment } from './log/segment.js'
import { SlotOrder } from './log/slot-order.js'
import type { NewSegment } from './log-files.js'
import { Maintenance } from './maintenance.js'
import type { MaintenanceFacts } from './maintenance.js'
import { loadStore } from './open-store.js'
import type { LoadedStore, SealedSegment } from './open-store.js'
import { PurgeRanges } from './purge-ranges.js'
import type { PurgeRange } from './purge-ranges.js'
import { NO_SCRUB } from './scrub.js'
import type { ScrubSettings } from './scrub.js'
import type { StoreEnv, StoreEvents, StoreOptions } from './store-options.js'
import { SnapshotError } from './snapshot/snapshot-file.js'
import { Shortcuts } from './shortcuts.js'
import { NoRoomYet, StoreError } from './store-error.js'
import type { Table } from './table/table.js'
import { ABSENT, COLD, FOUND } from './table/table-lookup.js'
import type { TableLookup } from './table/table-lookup.js'
import type { TableSet } from './table-set.js'
import type { RangeTrees } from './trees/range-trees.js'
import { TreeKeeper } from './trees/tree-keeper.js'
import type { TreeKeeperFacts } from './trees/tree-keeper.js'

/** A write may go ahead. */
export const WRITE_NOW = 0
/** Memory for writes is used up until a flush ends: try again on StoreEvents.onRoom. */
export const WRITE_LATER = 1
export type Admission = typeof WRITE_NOW | typeof WRITE_LATER

export class Store {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #events: StoreEvents
  #maintenance!: Maintenance
  #writer!: LogWriter
  #active!: Segment
  /** Youngest first, the active one not included. */
  #sealed: readonly SealedSegment[] = []
  /** Flushed segments that still answer for their tables, youngest first. */
  #retained: readonly Segment[] = []
  /** Where lookups go on behind the active segment: sealed and retained ones, youngest first. */
  #older: readonly Segment[] = []
  /** Tail of the active segment at which memory for the next one is made. */
  #makeMemoryAt = 0
  #tables!: TableSet
  #cache!: BlockCache
  #shortcuts!: Shortcuts
  #purgeRanges: PurgeRanges | null = null
  /** Who waits for a sync, by ascending sequence. */
  #awaitingSync: Awaiting[] = []
  /** Who waits until tables hold a sequence. */
  #awaitingFlush: Awaiting[] = []
  /** Null as long as none was raised, which is nearly always. */
  #floors: Floors | null = null
  #counts!: LiveCounts
  /** Of a node with replicas elsewhere. */
  #trees: RangeTrees | null = null
  #treeKeeper: TreeKeeper | null = null
  /** They have been counted, and no segment has been sealed since that would take them along. */
  #treesToSave = false
  readonly #orders = new WeakMap<Segment, SlotOrder>()
  #sequence = 0
  #flushMark = 0
  #flushMarkSequence = 0
  /** Once the log is synced up to this sequence, tables below this mark may go. */
  #drop: { readonly afterSequence: number; readonly mark: number } | null = null
  #policy: AppendFsync
  #compactionRate: number
  #scrub: ScrubSettings
  #loaded!: RecoveryFacts
  #closed = false
  #reopening: Promise<void> | null = null
  /** The segment whose index position of the key the last find() left behind; null once an append has used it. */
  #probed: Segment | null = null
  /** Whether the key of the last find() may have a shortcut: segments have been asked in vain. */
  #beyondSegments = true
  /** Where the record of the last append stands; good until the event loop gets its turn. */
  appendedIn: Buffer = Buffer.alloc(0)
  appendedAt = 0
  /** After a COLD answer: the table that misses `coldTable.coldBlock`. */
  coldTable: Table | null = null

  private constructor(env: StoreEnv, options: StoreOptions, events: StoreEvents) {
    this.#env = env
    this.#options = options
    this.#events = events
    this.#policy = options.appendfsync
    this.#compactionRate = options.compactionBytesPerSecond
    this.#scrub = options.scrub ?? NO_SCRUB
  }

  /** Opens the directory, recovering what a crash left. Rejects with CorruptionError for damage and with the disk's errors. */
  static async open(env: StoreEnv, options: StoreOptions, events: StoreEvents): Promise<Store> {
    const store = new Store(env, options, events)
    await store.#load()
    store.#maintenance.run()
    return store
  }

  async #load(): Promise<void> {
    const loaded = await loadStore(this.#env, this.#options, this.#env.random.next53())
    const maintenance = new Maintenance(this.#env, this.#options, loaded, {
      install: (tables, sealed, retained) => this.#install(tables, sealed, retained),
      active: () => this.#active,
      onRoom: () => {
        this.#events.onRoom()
        this.#saveTrees()
        this.#flushOn()
      },
      onFlushFailed: (error) => this.#endFlushWaits(error),
      writeDelayChanged: () => this.#events.onRoom(),
      onGap: (gap) => this.#events.onGap?.(gap),
      whenSynced: () => this.whenSynced(),
    })
    let first: NewSegment
    try {
      first = await maintenance.start(Math.max(this.#sequence, loaded.sequence) + 1)
    } catch (error) {
      for (const { table } of loaded.tables.all) table.retire(false)
      throw error
    }
    this.#goOver(loaded, maintenance)
    this.#writer = this.#startWriter()
    this.#activate(first)
    this.#keepTrees(loaded)
    maintenance.setCompactionRate(this.#compactionRate)
    maintenance.setScrub(this.#scrub)
  }

  /** From here on the loaded state is the store's; what it lacks is forgotten, but for sequences, which are never used twice. */
  #goOver(loaded: LoadedStore, maintenance: Maintenance): void {
    const { sequence, maxHlc, cutBytes, logBytes } = loaded
    this.#loaded = { sequence, maxHlc, cutBytes, logBytes }
    this.#maintenance = maintenance
    if (this.#purgeRanges !== null) maintenance.setPurgeRanges(this.#purgeRanges)
    this.#install(maintenance.tables, maintenance.sealed, [])
    this.#cache = loaded.cache
    this.#shortcuts = new Shortcuts(loaded.cache)
    this.#counts = loaded.counts
    this.#sequence = Math.max(this.#sequence, loaded.sequence)
    this.#flushMark = loaded.flushMark
    this.#flushMarkSequence = 0
    this.#drop = null
  }

  #keepTrees({ trees: loaded, countsHaveFloors }: LoadedStore): void {
    this.#trees = loaded?.trees ?? null
    if (loaded === null) return
    this.#treeKeeper = new TreeKeeper(this.#env, this.#options, loaded.trees, countsHaveFloors, {
      tables: () => this.#tables.all,
      counts: () => this.#counts,
      segments: () => [this.#active, ...this.#sealed.map(({ segment }) => segment)],
      inMemoryFrom: () => (this.#older.at(-1) ?? this.#active).header.firstSequence,
      eachAboveInMemory: (mark, visit) => this.#eachAboveInMemory(mark, visit),
      onCounted: () => {
        this.#treesToSave = true
        this.#saveTrees()
      },
    })
    this.#treeKeeper.start(loaded.base)
    if (this.#floors !== null) this.#treeKeeper.setFloors(this.#floors)
    if (this.#purgeRanges !== null) this.#treeKeeper.forgetHours(this.#purgeRanges.ranges)
  }

  /** Trees are saved with a flush. Without one the next start might have to count as long again, so it is not left to the next writes. */
  #saveTrees(): void {
    if (!this.#treesToSave || this.#closed || this.#writer.failure !== null) return
    if (this.#maintenance.canRotate) this.#rotate(0)
    else this.#maintenance.makeMemory()
  }

  #install(tables: TableSet, sealed: readonly SealedSegment[], retained: readonly Segment[]): void {
    this.#tables = tables
    this.#sealed = sealed
    this.#retained = retained
    this.#older = [...sealed.map(({ segment }) => segment), ...retained]
  }

  #activate({ segment, file }: NewSegment): void {
    this.#writer.add(segment, file)
    this.#active = segment
    this.#makeMemoryAt = segment.fullAt * FULLNESS_FORESEEN
  }

  #startWriter(): LogWriter {
    const { disk, clock } = this.#env
    const events = {
      onDurable: () => this.#events.onDurable(),
      onSynced: () => this.#synced(),
      onSealed: (segment: Segment) => this.#maintenance.segmentSynced(segment),
      onFailed: (error: Error) => this.#logFailed(error),
    }
    const writer = new LogWriter(disk, clock, this.#policy, events, this.#options.syncsOnEventLoop)
    writer.durableSequence = this.#sequence
    writer.syncedSequence = this.#sequence
    return writer
  }

  /** Facts of the last (re)open: highest stamp on disk, bytes cut off the log, and so on. */
  get loaded(): RecoveryFacts {
    return this.#loaded
  }

  /** The highest stamp in any table, in entries that newer ones have replaced too. */
  get tablesMaxHlc(): number {
    return this.#tables.all.reduce((highest, { table }) => Math.max(highest, table.summary.maxHlc), 0)
  }

  get counts(): LiveCounts {
    return this.#counts
  }

  /** Null where none are kept. Others after a reopening: not to be held on to. */
  get trees(): RangeTrees | null {
    return this.#trees
  }

  /** Null where no trees are kept. */
  get treeFacts(): TreeKeeperFacts | null {
    return this.#treeKeeper?.facts ?? null
  }

  /**
   * The time by which expiry is judged when a clock shows `wallMs`: never before the end of a window that was dropped, or what that hid
   * would come to light (RULES T5).
   */
  expiryMs(wallMs: number): number {
    return Math.max(wallMs, this.#maintenance.droppedUntilMs)
  }

  /** FLUSHALL's mark: dots at or below this HLC are gone. */
  get flushMark(): number {
    return this.#flushMark
  }

  /** Sequence of the flush mark's entry, as long as that may not be durable: what it hides depends on it (RULES R2). */
  get flushMarkSequence(): number {
    return this.#flushMarkSequence
  }

  /** Entries up to this sequence are as durable as appendfsync asks. */
  get durableSequence(): number {
    return this.#writer.durableSequence
  }

  /** Sequence of the newest entry. */
  get sequence(): number {
    return this.#sequence
  }

  /** Not null once a write or sync of the log has failed: entries above durableSequence may be lost. */
  get logFailure(): Error | null {
    return this.#writer.failure
  }

  /** Whether writes are possible, as far as the log and the disk are concerned. */
  get health(): { readonly logFailed: boolean; readonly diskIsFull: boolean } {
    return { logFailed: this.#writer.failure !== null, diskIsFull: this.#maintenance.diskIsFull }
  }

  get appendfsync(): AppendFsync {
    return this.#writer.policy
  }

  setAppendfsync(policy: AppendFsync): void {
    this.#policy = policy
    this.#writer.setPolicy(policy)
  }

  setCompactionRate(bytesPerSecond: number): void {
    this.#compactionRate = bytesPerSecond
    this.#maintenance.setCompactionRate(bytesPerSecond)
  }

  /**
   * From now on entries up to this sequence count as absent in these slots, whole ranges where trees are kept. See floors.ts. To
   * be called for every range after a start, with 0 where there is no floor, because saved trees may know of another.
   *
   * `counts` go on counting what lies below, until the trees of a range have been counted above its floor, in a worker: then they are
   * exact again (RULES R5). Until then they are too high by what lives below and has not been written above: DBSIZE shows that only
   * where this node is home, which it is not while the range is rebuilt.
   */
  raiseFloor(slots: SlotRange, sequence: number): void {
    if (sequence > 0) {
      this.#floors ??= new Floors()
      this.#floors.raise(slots, sequence)
    }
    this.#treeKeeper?.setFloor(slots, this.#floors?.of(slots.firstSlot) ?? 0)
  }

  /** The trees of a range (its number) are in doubt: they are counted anew in a worker, and are not ready until then. */
  recountTrees(range: number): void {
    this.#treeKeeper?.recount(range)
  }

  /** RULES P1: what may leave the disk of this node, which has replicas, from now on. */
  setPurgeRanges(ranges: readonly PurgeRange[]): void {
    this.#purgeRanges = new PurgeRanges(ranges)
    this.#maintenance.setPurgeRanges(this.#purgeRanges)
    this.#treeKeeper?.forgetHours(ranges)
  }

  /** Resolves when everything that was appended so far survives a crash, under every policy. Rejects with StoreError. */
  whenSynced(): Promise<void> {
    const sequence = this.#sequence
    const { failure, syncedSequence } = this.#writer
    if (failure !== null) return Promise.reject(logFailure(failure))
    if (syncedSequence >= sequence) return Promise.resolve()
    this.#writer.syncThrough(sequence)
    return new Promise((resolve, reject) => this.#awaitingSync.push({ sequence, resolve, reject }))
  }

  #synced(): void {
    this.#dropFlushedWhenSynced()
    const { syncedSequence } = this.#writer
    while (this.#awaitingSync.length > 0 && this.#awaitingSync[0].sequence <= syncedSequence) {
      this.#awaitingSync.shift()?.resolve()
    }
  }

  setScrub(settings: ScrubSettings): void {
    this.#scrub = settings
    this.#maintenance.setScrub(settings)
  }

  /** What nothing is known of, since a damaged file was taken out: see gap.ts. */
  get gaps(): readonly Gap[] {
    return this.#maintenance.gaps
  }

  /** Whether a damaged table is about to be taken out. */
  get takesOutDamage(): boolean {
    return this.#maintenance.takesOutDamage
  }

  /** Those that the manifest names: a start will know of them. */
  get recordedGaps(): readonly Gap[] {
    return this.#maintenance.recordedGaps
  }

  /** What the gap was about is here again, or given up. Rejects as edits of the manifest do. */
  closeGap(gap: Gap): Promise<void> {
    return this.#maintenance.closeGap(gap)
  }

  /**
   * The newest entry of a key, dead or alive, flushed or not. COLD: load coldTable's coldBlock and ask again.
   */
  find(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): TableLookup {
    const answer = this.#findNewest(hash, bytes, start, end, into)
    if (answer !== FOUND) return answer
    if (isLocalTombstone(into.bytes, into.record)) return ABSENT
    if (this.#floors === null) return FOUND
    const isHidden = this.#floors.hides(slotOfToken(hash.token), entrySequence(into.bytes, into.record))
    return isHidden ? ABSENT : FOUND
  }

  #findNewest(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): TableLookup {
    const active = this.#active
    this.#probed = active
    this.#beyondSegments = false
    let record = active.find(hash.first, bytes, start, end)
    if (record !== 0) {
      into.bytes = active.arena
      into.record = record
      return FOUND
    }
    const older = this.#older
    for (let i = 0; i < older.length; i++) {
      const segment = older[i]
      record = segment.find(hash.first, bytes, start, end)
      if (record !== 0) {
        into.bytes = segment.arena
        into.record = record
        return FOUND
      }
    }
    this.#beyondSegments = true
    if (this.#shortcuts.find(hash.first, bytes, start, end, into)) return FOUND
    const floor = this.#floors?.of(slotOfToken(hash.token)) ?? 0
    const answer = this.#tables.find(hash, bytes, start, end, into, floor)
    if (answer === FOUND) this.#shortcuts.note(hash.first, into)
    else if (answer === COLD) this.coldTable = this.#tables.coldTable
    return answer
  }

  /**
   * First of two passes over keys that will be looked up soon: has the CPU fetch the places where their indexes are
   * searched. Lookups one after the other would wait for one cache miss after the other; the loads of a pass depend on
   * nothing, so they overlap. The second pass goes on to the records. Answers a number without meaning, so that the
   * loads are not optimized away.
   */
  prefetchPlace(first: number): number {
    let seen = this.#active.glance(first) ^ this.#shortcuts.glance(first)
    const older = this.#older
    for (let i = 0; i < older.length; i++) seen ^= older[i].glance(first)
    return seen
  }

  /** The second pass; see prefetchPlace(). */
  prefetchRecord(first: number): number {
    const { arena } = this.#active
    const record = this.#active.likelyRecord(first)
    if (record !== 0) return glanceAt(arena, record)
    const older = this.#older
    for (let i = 0; i < older.length; i++) {
      const likely = older[i].likelyRecord(first)
      if (likely !== 0) return glanceAt(older[i].arena, likely)
    }
    return glanceAt(this.#cache.bytes, this.#shortcuts.glance(first))
  }

  /** Whether writes of about `bytes` may go ahead. Throws StoreError when none may: disk full, log failed. */
  admit(bytes: number): Admission {
    const failure = this.#writer.failure
    if (failure !== null) throw logFailure(failure)
    if (this.#closed) throw new StoreError('closed', 'the node is shutting down')
    if (this.#maintenance.diskIsFull) {
      throw new StoreError('disk-full', 'less disk space is free than disk-reserve asks for')
    }
    return this.#active.fits(bytes) ? WRITE_NOW : this.#admitSegment(bytes)
  }

  /** Whether a new segment that takes a record of `bytes` may be begun now. Throws StoreError. */
  #admitSegment(bytes: number): Admission {
    const { logTrouble, canRotate } = this.#maintenance
    const { stalls } = this.#maintenance
    if (canRotate && !this.#mustAwaitLarge(bytes)) {
      stalls.goesOn(this.#env.clock.monotonicMs())
      return WRITE_NOW
    }
    stalls.waits(this.#env.clock.monotonicMs())
    if (logTrouble !== null) throw new StoreError('log-failed', logTrouble)
    this.#maintenance.makeMemory()
    return WRITE_LATER
  }

  /**
   * Of segments that had to be made larger than segmentBytes only one is in memory at a time. If that is the active one, it is
   * given up, so that it can be flushed.
   */
  #mustAwaitLarge(bytes: number): boolean {
    const { segmentBytes } = this.#options
    if (Segment.capacityFor(bytes) <= segmentBytes) return false
    const isLarge = (segment: Segment): boolean => segment.memory.capacityBytes > segmentBytes
    if (isLarge(this.#active)) {
      this.#rotate(0)
      return true
    }
    return this.#sealed.some(({ segment }) => isLarge(segment))
  }

  /** How long acknowledgements should be held back now, in milliseconds, because compaction is behind (0: not at all). */
  get writeDelayMs(): number {
    return this.#maintenance.writeDelayMs
  }

  /** Acknowledgements are held back for that long. */
  noteDelay(delayMs: number): void {
    this.#maintenance.stalls.delayed(delayMs)
  }

  /** Has what the scope holds compacted behind everything that is due anyway; facts().compaction says how far that is. */
  compact(scope: CompactionScope): void {
    this.#maintenance.compact(scope)
  }

  /**
   * Has the next `writes` entries, of `payloadBytes` of keys, values and contexts, share one segment and so one batch.
   * Throws StoreError, NoRoomYet when there is none for so much.
   */
  reserve(writes: number, payloadBytes: number): void {
    const recordBytes = payloadBytes + writes * RECORD_OVERHEAD_BYTES
    if (this.#active.reserve(writes, recordBytes)) return
    const neededBytes = recordBytes + writes * RECORD_OVERHEAD_BYTES
    if (this.#admitSegment(neededBytes) === WRITE_LATER) throw new NoRoomYet()
    this.#rotate(neededBytes)
  }

  /**
   * Appends a record with one sibling over `predecessor` (the newest entry's record, or null) and makes it the key's newest.
   * `hash` is the key's; find() of the same key must have come directly before. See writeSingleRecord for the rest. Returns the entry's sequence.
   * Throws StoreError before anything is written, NoRoomYet when a value is larger than what was admitted.
   */
  append(
    hash: KeyHash,
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    predecessor: Buffer | null,
    predecessorAt: number,
    actor: number,
    hlc: number,
    kind: number,
    expireAtMs: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    flags: number,
    displaced: number,
  ): number {
    const valueBytes = valueEnd - valueStart
    const bytes = singleRecordBytes(predecessor, predecessorAt, actor, keyEnd - keyStart, valueBytes)
    let segment = this.#active
    if (!segment.fits(bytes)) {
      // Deletions are small, and one request may make many: what the first of them needed stays admitted.
      if (kind === KIND_VALUE && this.#admitSegment(bytes) === WRITE_LATER) throw new NoRoomYet()
      segment = this.#rotate(bytes)
    }
    const record = this.#beginNewest(segment, hash, key, keyStart, keyEnd - keyStart)
    writeSingleRecord(
      segment.arena,
      record,
      key,
      keyStart,
      keyEnd,
      predecessor,
      predecessorAt,
      actor,
      hlc,
      kind,
      expireAtMs,
      value,
      valueStart,
      valueEnd,
    )
    return this.#endNewest(segment, hash, predecessor, predecessorAt, record, bytes, flags, displaced)
  }

  /**
   * Appends the encoded record bytes[start, end), made elsewhere or merged, over `predecessor` (the newest entry's record, or
   * null) and makes it the key's newest. `hash` is that of the record's key; find() of the same key must have come directly
   * before. `displaced`: see segment-format.ts. Returns the entry's sequence. Throws StoreError before anything is written,
   * NoRoomYet when the record is larger than what was admitted.
   */
  appendRecord(
    hash: KeyHash,
    bytes: Buffer,
    start: number,
    end: number,
    predecessor: Buffer | null,
    predecessorAt: number,
    flags: number,
    displaced: number,
  ): number {
    const recordBytes = end - start
    let segment = this.#active
    if (!segment.fits(recordBytes)) {
      if (this.#admitSegment(recordBytes) === WRITE_LATER) throw new NoRoomYet()
      segment = this.#rotate(recordBytes)
    }
    const record = this.#beginNewest(segment, hash, bytes, keyStart(start), keyLength(bytes, start))
    copyBytes(bytes, start, end, segment.arena, record)
    return this.#endNewest(segment, hash, predecessor, predecessorAt, record, recordBytes, flags, displaced)
  }

  /** Where the next record of the key that was looked up last goes. */
  #beginNewest(segment: Segment, hash: KeyHash, bytes: Buffer, keyAt: number, keyBytes: number): number {
    if (segment !== this.#probed) segment.find(hash.first, bytes, keyAt, keyAt + keyBytes)
    this.#probed = null
    if (this.#beyondSegments) this.#shortcuts.forget(hash.first)
    this.#beyondSegments = true
    return segment.beginRecord()
  }

  #endNewest(
    segment: Segment,
    hash: KeyHash,
    predecessor: Buffer | null,
    predecessorAt: number,
    record: number,
    recordBytes: number,
    flags: number,
    displaced: number,
  ): number {
    const sequence = this.#nextSequence()
    writeEntryHeader(segment.arena, record, sequence, flags, KIND_RECORD)
    segment.endRecord(record, recordBytes, displaced)
    segment.insert(hash.first, slotOfToken(hash.token), record)
    this.#trees?.replaced(hash.token, predecessor, predecessorAt, segment.arena, record)
    this.appendedIn = segment.arena
    this.appendedAt = record
    if (segment.tail >= this.#makeMemoryAt) this.#foreseeRotation()
    this.#writer.scheduleCommit()
    return sequence
  }

  /** What is in memory of the log, oldest first. */
  get segmentsInMemory(): readonly Segment[] {
    return [...this.#older.toReversed(), this.#active]
  }

  /** The newest entry of every key in each segment in memory; a key that several have is visited for each. */
  eachInMemory(visit: (bytes: Buffer, record: number) => void): void {
    for (const segment of [this.#active, ...this.#older]) {
      segment.eachNewest((record) => visit(segment.arena, record))
    }
  }

  /** Appends FLUSHALL's mark; all dots at or below `mark` are gone from now on. Returns the entry's sequence. */
  appendFlushMark(actor: number, mark: number): number {
    const bytes = encodeRecord({ key: Buffer.alloc(0), siblings: [], context: [{ actor, hlc: mark }] })
    const segment = this.#active.fits(bytes.length) ? this.#active : this.#rotate(bytes.length)
    const record = segment.beginRecord()
    bytes.copy(segment.arena, record)
    const sequence = this.#nextSequence()
    writeEntryHeader(segment.arena, record, sequence, 0, KIND_FLUSH_MARK)
    segment.endRecord(record, bytes.length, 0)
    this.#flushMark = Math.max(this.#flushMark, mark)
    this.#flushMarkSequence = sequence
    this.#counts.clear()
    this.#treeKeeper?.flush(this.#flushMark)
    this.#writer.scheduleCommit()
    return sequence
  }

  /** Newest entries of keys that are in memory and stamped above `mark`, with their keys' tokens. */
  #eachAboveInMemory(mark: number, visit: (token: number, bytes: Buffer, record: number) => void): void {
    const hash = new KeyHash()
    const newest = new EntryRef()
    this.eachInMemory((bytes, record) => {
      if (maxHlc(bytes, record) <= mark) return
      const start = keyStart(record)
      const end = start + keyLength(bytes, record)
      hash.of(bytes, start, end)
      const isFound = this.find(hash, bytes, start, end, newest) === FOUND
      if (isFound && newest.bytes === bytes && newest.record === record) visit(hash.token, bytes, record)
    })
  }

  /**
   * Once a flush mark is durable: lets go of all tables that lie below it. The log is synced first, under every policy: a
   * manifest that knew of a mark which a crash then took from the log would contradict the counts.
   */
  dropFlushedTables(): void {
    this.#drop = { afterSequence: this.#flushMarkSequence, mark: this.#flushMark }
    this.#writer.syncThrough(this.#flushMarkSequence)
    this.#dropFlushedWhenSynced()
  }

  #dropFlushedWhenSynced(): void {
    const drop = this.#drop
    if (drop === null || this.#writer.syncedSequence < drop.afterSequence) return
    this.#drop = null
    this.#maintenance.dropFlushedTables(drop.mark)
  }

  /** Walks keys from a token on; see walkKeys. */
  walk(from: number, limits: WalkLimits, visit: EntryVisitor, cold: ColdVisitor): number {
    const orders = [this.#orderOf(this.#active), ...this.#sealed.map(({ segment }) => this.#orderOf(segment))]
    return walkKeys(orders, this.#tables, from, limits, this.#visible(visit), cold)
  }

  #visible(visit: EntryVisitor): EntryVisitor {
    const floors = this.#floors
    if (floors === null) return visit
    return (bytes, record) => {
      const key = keyStart(record)
      const slot = slotOf(bytes, key, key + keyLength(bytes, record))
      return !floors.hides(slot, entrySequence(bytes, record)) && visit(bytes, record)
    }
  }

  /** Bytes of tables that surely died at or before `untilMs`, and all bytes that the disk has for data. */
  deadFacts(untilMs: number): { readonly deadBytes: number; readonly diskBytes: number } {
    let tableBytes = 0
    let deadBytes = 0
    for (const { facts } of this.#tables.all) {
      tableBytes += facts.sizeBytes
      deadBytes += (facts.sizeBytes * deadAtLeast(facts, untilMs)) / Math.max(1, facts.entryCount)
    }
    return { deadBytes, diskBytes: tableBytes + this.#env.disk.freeBytes(this.#options.directory) }
  }

  /**
   * A snapshot of everything that was appended before the call: the active segment is sealed, and what the tables hold when that
   * is flushed is kept (snapshot/snapshot-job.ts), while writes go on. Rejects with SnapshotError, StoreError, JobError and
   * the disk's errors; nothing is left of it then. One at a time.
   */
  async snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    const sequence = this.#sequence
    this.#refuseBadCopy()
    await this.#flushedThrough(sequence)
    const held = await this.#maintenance.hold()
    try {
      this.#refuseBadCopy()
      const { directory } = this.#options
      return await this.#env.jobs.snapshot({ ...request, directory, sequence, state: held.state })
    } finally {
      held.release()
    }
  }

  #refuseBadCopy(): void {
    if (this.#closed) throw new StoreError('closed', 'the node stops')
    if (this.#writer.failure !== null) throw logFailure(this.#writer.failure)
    const trouble = this.#maintenance.copyTrouble
    if (trouble !== null) throw new SnapshotError(trouble)
  }

  /** Resolves when tables hold everything up to `sequence`; rejects when a flush fails, or the log. */
  #flushedThrough(sequence: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#awaitingFlush.push({ sequence, resolve, reject })
      this.#flushOn()
    })
  }

  /** Seals the active segment if it holds what somebody waits for; tells those whose entries are in tables. */
  #flushOn(): void {
    if (this.#awaitingFlush.length === 0 || this.#closed) return
    const wanted = Math.max(...this.#awaitingFlush.map(({ sequence }) => sequence))
    if (this.#active.header.firstSequence <= wanted && this.#sequence >= this.#active.header.firstSequence) {
      if (this.#maintenance.canRotate) this.#rotate(0)
      else this.#maintenance.makeMemory()
    }
    const oldest = this.#sealed.at(-1)?.segment ?? this.#active
    const flushed = oldest.header.firstSequence - 1
    const done = this.#awaitingFlush.filter(({ sequence }) => sequence <= flushed)
    this.#awaitingFlush = this.#awaitingFlush.filter(({ sequence }) => sequence > flushed)
    for (const { resolve } of done) resolve()
  }

  #endFlushWaits(error: unknown): void {
    const why = error instanceof Error ? error : new Error(String(error))
    for (const { reject } of this.#awaitingFlush.splice(0)) reject(why)
  }

  facts(): StoreFacts {
    return {
      ...this.#maintenance.facts(),
      appendfsync: this.#writer.policy,
      logFailure: this.#writer.failure?.message ?? this.#maintenance.logTrouble,
      logPendingBytes: this.#writer.pendingBytes,
      retainedBytes: this.#retained.reduce((sum, { tail }) => sum + tail, 0),
      memtableBytes: this.#sealed.reduce((sum, { segment }) => sum + segment.tail, this.#active.tail),
      cacheBytes: this.#cache.stats.usedBytes,
      cacheHits: this.#cache.stats.hits,
      cacheMisses: this.#cache.stats.misses,
      sequence: this.#sequence,
    }
  }

  /** Syncs everything and closes all files. No other call may follow. */
  async close(): Promise<void> {
    this.#closed = true
    this.#endFlushWaits(new StoreError('closed', 'the node stops'))
    await this.#reopening
    this.#treeKeeper?.stop()
    await this.#writer.close()
    await this.#maintenance.close()
    for (const { table } of this.#tables.all) table.retire(false)
  }

  #nextSequence(): number {
    assert(this.#sequence < SEQUENCE_MAX, 'sequences are used up')
    return ++this.#sequence
  }

  #orderOf(segment: Segment): SlotOrder {
    let order = this.#orders.get(segment)
    if (order === undefined) {
      order = new SlotOrder(segment)
      this.#orders.set(segment, order)
    }
    return order
  }

  /** Seals the active segment and goes on in a new one that takes a record of `recordBytes`. */
  #rotate(recordBytes: number): Segment {
    const next = this.#nextSegment(recordBytes)
    const full = this.#active
    full.seal()
    const sealed = {
      segment: full,
      counts: this.#counts.snapshot(),
      trees: this.#trees?.encode(this.#sequence) ?? null,
      flushMark: this.#flushMark,
      synced: false,
    }
    this.#treesToSave = false
    this.#maintenance.addSealed(sealed)
    this.#install(this.#tables, this.#maintenance.sealed, this.#retained)
    this.#activate(next)
    this.#writer.scheduleCommit()
    return next.segment
  }

  #foreseeRotation(): void {
    this.#makeMemoryAt = Infinity
    this.#maintenance.makeMemory()
  }

  #nextSegment(recordBytes: number): NewSegment {
    try {
      return this.#maintenance.nextSegment(recordBytes, this.#active, this.#sequence + 1)
    } catch (error) {
      throw diskErrorCode(error) === null ? error : logFailure(error as Error)
    }
  }

  #logFailed(error: Error): void {
    for (const { reject } of this.#awaitingSync.splice(0)) reject(logFailure(error))
    this.#endFlushWaits(logFailure(error))
    this.#env.log.error('log failed: writes are refused', { error: error.message })
    this.#events.onLogFailed(error)
    if (isLackOfSpace(error)) this.#reopenWhenThereIsRoom()
  }

  /** RULES W3: nothing is retried on the failed descriptor; what the disk holds is read back, the rest is forgotten. */
  #reopenWhenThereIsRoom(): void {
    this.#env.clock.after(REOPEN_EVERY_MS, () => {
      if (this.#closed) return
      if (this.#maintenance.diskIsFull || !this.#maintenance.isIdle) return this.#reopenWhenThereIsRoom()
      this.#reopening = this.#reopen().catch((error: unknown) => {
        this.#env.log.error('log not reopened', { error: String(error) })
        this.#reopenWhenThereIsRoom()
      })
    })
  }

  async #reopen(): Promise<void> {
    const oldTables = this.#tables.all
    // First, so that no job starts that would write under numbers which the new state gives out again.
    this.#maintenance.stop()
    this.#treeKeeper?.stop()
    await this.#writer.close()
    await this.#load()
    for (const { table } of oldTables) table.retire(false)
    this.#env.log.warn('log reopened', { bytesCut: this.#loaded.cutBytes })
    // Before anything may write again: it needs another actor (V6).
    this.#events.onReopened()
    for (const gap of this.gaps) this.#events.onGap?.(gap)
    this.#maintenance.run()
    this.#events.onRoom()
  }
}

/** Reads from each cache line of a small record. */
function glanceAt(bytes: Buffer, record: number): number {
  const last = record + 2 * CACHE_LINE_BYTES
  return last < bytes.length ? bytes[record] ^ bytes[record + CACHE_LINE_BYTES] ^ bytes[last] : 0
}

const CACHE_LINE_BYTES = 64
/** Of the active segment, at which memory for the next one is made; nobody waits for it who does not write the rest in one turn. */
const FULLNESS_FORESEEN = 7 / 8
/** More than a record takes beside key, value and the context that it takes over. */
const RECORD_OVERHEAD_BYTES = 256
const REOPEN_EVERY_MS = 1000

interface Awaiting {
  readonly sequence: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** See SnapshotJob. */
export type SnapshotRequest = Pick<
  SnapshotJob,
  'folder' | 'name' | 'besides' | 'madeAtMs' | 'origin' | 'keep'
>

/** What the last (re)open has brought back. */
export type RecoveryFacts = Pick<LoadedStore, 'sequence' | 'maxHlc' | 'cutBytes' | 'logBytes'>

export interface StoreFacts extends MaintenanceFacts {
  readonly appendfsync: AppendFsync
  /** Why the log, or the next log file, could not be written at the last attempt. */
  readonly logFailure: string | null
  readonly logPendingBytes: number
  /** Segments not flushed yet. */
  readonly memtableBytes: number
  /** Flushed segments that are still in memory. */
  readonly retainedBytes: number
  readonly cacheBytes: number
  readonly cacheHits: number
  readonly cacheMisses: number
  readonly sequence: number
}

function logFailure(error: Error): StoreError {
  return new StoreError(isLackOfSpace(error) ? 'disk-full' : 'log-failed', error.message, { cause: error })
}

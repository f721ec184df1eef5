/**
 * Brings a data directory back: manifest, tables, then the logs that no table holds yet, oldest first (RULES W1-W3). What
 * the manifest does not name is a leftover of a crash and is removed at the end, once a new manifest stands.
 *
 * A log need not be in the manifest to be live: every log at or above the oldest one that the manifest lists is. So a
 * change of segments costs no manifest edit; its file was made, and its name synced, before anything was written to it.
 */
import { maxHlc } from '../record/death.js'
import {
  contextHlc,
  contextStart,
  keyLength,
  keyStart,
  KIND_VALUE,
  siblingCount,
  siblingExpireAt,
  siblingKind,
  siblingsStart,
} from '../record/layout.js'
import { slotOf } from '../ring/slot.js'
import { BlockCache } from './block-cache.js'
import { CorruptionError } from './corruption-error.js'
import { readCounts } from './counts-file.js'
import type { KeyCounts } from './counts-file.js'
import { syncParents } from './data-directory.js'
import { diskErrorCode } from './disk-error.js'
import { takingRoom } from './disk-space.js'
import { entryKind, entrySequence, KIND_FLUSH_MARK } from './entry.js'
import {
  countsFileName,
  logFileName,
  MANIFEST_NAME,
  parseFileName,
  pathOf,
  tableFileName,
} from './file-names.js'
import { LiveCounts } from './live-counts.js'
import { SEGMENT_HEADER_BYTES, entryDisplaced, isUnusedHead } from './log/segment-format.js'
import { damaged, recoverSegment, sealRecovered } from './log/recover-segment.js'
import type { Segment } from './log/segment.js'
import { emptyManifest, encodeManifest, Manifest } from './manifest.js'
import type { ManifestState, ManifestTable } from './manifest.js'
import { ONE_PARTITION } from './partitions.js'
import { recountKeys } from './recount-keys.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import { Table } from './table/table.js'
import { TableSet } from './table-set.js'
import type { LiveTable } from './table-set.js'
import { loadTrees } from './trees/load-trees.js'
import type { LoadedTrees } from './trees/load-trees.js'

export interface SealedSegment {
  readonly segment: Segment
  /** Key counts as of its end, for the counts file of its flush. */
  readonly counts: KeyCounts
  /** Trees as of its end, by encodeTrees(), for the file of its flush; null where they are not known, or not kept. */
  readonly trees: Buffer | null
  /** FLUSHALL's mark as of its end: the counts are those of the keys above it. */
  readonly flushMark: number
  /** Synced to its end: it may be flushed. */
  synced: boolean
}

export interface LoadedStore {
  readonly state: ManifestState
  readonly tables: TableSet
  readonly cache: BlockCache
  /** Recovered logs, oldest first, sealed and synced. */
  readonly segments: readonly SealedSegment[]
  readonly counts: LiveCounts
  /** Null where none are kept. */
  readonly trees: LoadedTrees | null
  /** Of the newest entry. */
  readonly sequence: number
  readonly flushMark: number
  /** Highest stamp in any record (RULES V4). */
  readonly maxHlc: number
  /** Bytes of unfinished writes that were cut off the end of the log. */
  readonly cutBytes: number
  readonly logBytes: number
}

/** Rejects with CorruptionError for damage, and with the disk's own errors. `fallbackId` becomes the id of a new directory. */
export async function loadStore(
  env: StoreEnv,
  options: StoreOptions,
  fallbackId: number,
): Promise<LoadedStore> {
  const { disk } = env
  const { directory } = options
  disk.makeDirectory(directory)
  let state = Manifest.load(disk, directory)
  if (state === null) {
    syncParents(disk, env.log, directory)
    const empty = emptyManifest(fallbackId)
    takingRoom(pathOf(directory, MANIFEST_NAME), encodeManifest(empty).length, () =>
      Manifest.write(disk, directory, empty),
    )
    state = empty
  }
  const cache = new BlockCache(options.blockCacheBytes)
  const tables = openTables(env, directory, state, cache)
  try {
    const counts = await loadCounts(env, options, state)
    const replay = new Replay(state.flushMark, counts)
    for (const { table } of tables.all) {
      replay.maxHlc = Math.max(replay.maxHlc, table.summary.maxHlc)
    }
    replay.sequence = state.lastSequence
    const segments = recoverLogs(env, options, state, replay)
    const trees = loadTrees(env, options, state, segments.length > 0, replay.flushMark)
    return { state, tables, cache, segments, trees, ...replay.result() }
  } catch (error) {
    for (const { table } of tables.all) table.retire(false)
    throw error
  }
}

/** Counts are derived from the tables: when their file is damaged, gone or of other partitions, the keys are counted anew. */
async function loadCounts(env: StoreEnv, options: StoreOptions, state: ManifestState): Promise<LiveCounts> {
  const { directory, partitions = ONE_PARTITION } = options
  const counts = new LiveCounts(partitions)
  if (state.countsFile === 0) return counts
  const stored = readStoredCounts(env, directory, state)
  if (stored !== null && counts.matches(stored)) {
    counts.restore(stored)
    return counts
  }
  if (stored !== null) {
    const from = stored.version
    const to = partitions.version
    env.log.info('key counts are of another ring: the keys are counted anew', { from, to })
  }
  await recountKeys(env, directory, state.tables, state.flushMark, counts)
  return counts
}

/** Null when the file is damaged or gone, which is said in the log. */
function readStoredCounts(
  { disk, log }: StoreEnv,
  directory: string,
  state: ManifestState,
): KeyCounts | null {
  try {
    return readCounts(disk, pathOf(directory, countsFileName(state.countsFile)))
  } catch (error) {
    if (!(error instanceof CorruptionError) && diskErrorCode(error) !== 'ENOENT') throw error
    log.warn('key counts are damaged: the keys are counted anew', { error: String(error) })
    return null
  }
}

function openTables(env: StoreEnv, directory: string, state: ManifestState, cache: BlockCache): TableSet {
  const opened: LiveTable[] = []
  try {
    for (const facts of state.tables) opened.push({ facts, table: openTable(env, directory, facts, cache) })
    return new TableSet(opened)
  } catch (error) {
    for (const { table } of opened) table.retire(false)
    throw error
  }
}

function openTable(
  { disk }: StoreEnv,
  directory: string,
  { fileNumber }: ManifestTable,
  cache: BlockCache,
): Table {
  const path = pathOf(directory, tableFileName(fileNumber))
  if (!disk.exists(path)) throw missing(path, 'table', directory)
  return Table.open(disk, path, cache, fileNumber)
}

function missing(path: string, what: string, directory: string): CorruptionError {
  return new CorruptionError(
    path,
    0,
    `the ${what} is missing, but ${pathOf(directory, MANIFEST_NAME)} names it`,
    'Bring the file back, or restore the directory from a snapshot.',
  )
}

/** Accumulates what the replayed entries mean. */
class Replay {
  readonly counts: LiveCounts
  sequence = 0
  flushMark: number
  maxHlc = 0
  cutBytes = 0
  logBytes = 0

  constructor(flushMark: number, counts: LiveCounts) {
    this.counts = counts
    this.flushMark = flushMark
    this.maxHlc = flushMark
  }

  readonly visit = (arena: Buffer, record: number): void => {
    this.sequence = Math.max(this.sequence, entrySequence(arena, record))
    this.maxHlc = Math.max(this.maxHlc, maxHlc(arena, record))
    if (entryKind(arena, record) === KIND_FLUSH_MARK) {
      this.flushMark = Math.max(this.flushMark, contextHlc(arena, contextStart(arena, record), 0))
      this.counts.clear()
      return
    }
    const key = keyStart(record)
    const slot = slotOf(arena, key, key + keyLength(arena, record))
    const displaced = entryDisplaced(arena, record)
    const winner = siblingsStart(arena, record)
    const isValue = siblingCount(arena, record) > 0 && siblingKind(arena, winner) === KIND_VALUE
    if (isValue) this.counts.wrote(slot, displaced, siblingExpireAt(arena, winner))
    else this.counts.deleted(slot, displaced)
  }

  result(): Pick<LoadedStore, 'counts' | 'sequence' | 'flushMark' | 'maxHlc' | 'cutBytes' | 'logBytes'> {
    const { counts, sequence, flushMark, maxHlc: highest, cutBytes, logBytes } = this
    return { counts, sequence, flushMark, maxHlc: highest, cutBytes, logBytes }
  }
}

function recoverLogs(
  env: StoreEnv,
  options: StoreOptions,
  state: ManifestState,
  replay: Replay,
): readonly SealedSegment[] {
  const numbers = liveLogs(env, options.directory, state)
  const segments: SealedSegment[] = []
  const unused = new Map<number, string>()
  let previous = 0
  for (const [index, number] of numbers.entries()) {
    const path = pathOf(options.directory, logFileName(number))
    const hasSuccessor = numbers.slice(index + 1).some((later) => isUsed(env, options.directory, later))
    const recovered = recoverSegment(env.disk, path, {
      fileNumber: number,
      hasSuccessor,
      capacityBytes: options.segmentBytes,
      visit: replay.visit,
    })
    if (recovered.kind === 'unused') {
      unused.set(number, recovered.damage ?? 'empty')
      // Behind it there is nothing: what stands in it was the end of the log.
      if (!hasSuccessor) replay.cutBytes += recovered.cutBytes
      continue
    }
    const { segment } = recovered
    checkPredecessor(options.directory, segment, previous, numbers[0], unused)
    replay.cutBytes += recovered.cutBytes
    previous = number
    if (!hasSuccessor) takingRoom(path, segment.tail, () => sealRecovered(env.disk, segment))
    else segment.syncedTo = segment.tail
    replay.logBytes += segment.tail
    segments.push({
      segment,
      counts: replay.counts.snapshot(),
      trees: null,
      flushMark: replay.flushMark,
      synced: true,
    })
  }
  return segments
}

/**
 * A log names the one before it. A log that follows none of the live ones follows one that was flushed: it was older than
 * all of them. `unused` says of logs that hold nothing what they hold instead.
 */
function checkPredecessor(
  directory: string,
  { header, path }: Segment,
  previous: number,
  oldest: number,
  unused: ReadonlyMap<number, string>,
): void {
  const { previousFileNumber } = header
  if (previous === 0 ? previousFileNumber < oldest : previousFileNumber === previous) return
  const damage = unused.get(previousFileNumber)
  if (damage !== undefined) {
    throw damaged(pathOf(directory, logFileName(previousFileNumber)), 0, `${damage}, but ${path} follows it`)
  }
  throw new CorruptionError(
    path,
    0,
    `it follows log ${previousFileNumber}, which is missing`,
    'A log between two others is gone; bring it back, or restore the directory from a snapshot.',
  )
}

/** Numbers of the live logs that exist, ascending. Throws when one that the manifest names is missing. */
function liveLogs(env: StoreEnv, directory: string, state: ManifestState): number[] {
  const present: number[] = []
  for (const name of env.disk.list(directory)) {
    const file = parseFileName(name)
    if (file?.kind === 'log') present.push(file.fileNumber)
  }
  for (const number of state.logs) {
    if (present.includes(number)) continue
    throw missing(pathOf(directory, logFileName(number)), 'log', directory)
  }
  const oldest = state.logs.at(0)
  return oldest === undefined ? [] : present.filter((number) => number >= oldest).sort((a, b) => a - b)
}

/** Whether anything was ever written to a log that was made ahead. */
function isUsed(env: StoreEnv, directory: string, number: number): boolean {
  const file = env.disk.open(pathOf(directory, logFileName(number)), 'read')
  try {
    const first = Buffer.alloc(SEGMENT_HEADER_BYTES)
    env.disk.readSync(file, first, 0, first.length, 0)
    return !isUnusedHead(first)
  } finally {
    env.disk.close(file)
  }
}

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
import type { Gap } from './gap.js'
import { LiveCounts } from './live-counts.js'
import { SEGMENT_HEADER_BYTES, entryDisplaced, isUnusedHead } from './log/segment-format.js'
import { damaged, recoverSegment, sealRecovered } from './log/recover-segment.js'
import type { Segment } from './log/segment.js'
import { applyEdit, emptyManifest, encodeManifest, Manifest } from './manifest.js'
import type { ManifestState, ManifestTable } from './manifest.js'
import { ONE_PARTITION } from './partitions.js'
import { copyToQuarantine } from './quarantine.js'
import { recountKeys } from './recount-keys.js'
import { SNAPSHOT_NAME, SnapshotError } from './snapshot/snapshot-file.js'
import { StartDamage } from './start-damage.js'
import type { Finding } from './start-damage.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import { Table } from './table/table.js'
import { TableScanner } from './table/table-scanner.js'
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
  /** False when they were made of the tables, below floors too, of which a start knows nothing. */
  readonly countsHaveFloors: boolean
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
  /** Blocks of the tables that were found damaged on the way. */
  readonly damagedBlocks: readonly CorruptionError[]
}

/** Rejects with CorruptionError for damage that must not be passed over (StartDamage), and with the disk's own errors. `fallbackId` becomes the id of a new directory. */
export async function loadStore(
  env: StoreEnv,
  options: StoreOptions,
  fallbackId: number,
): Promise<LoadedStore> {
  const { disk } = env
  const { directory } = options
  disk.makeDirectory(directory)
  if (disk.exists(pathOf(directory, SNAPSHOT_NAME))) {
    throw new SnapshotError(`${directory} is a snapshot: "kindred restore" makes a data directory of it`)
  }
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
  const damage = new StartDamage(options, env.log)
  const known = state.gaps
  const tables = openTables(env, directory, state, cache, damage)
  try {
    state = applyEdit(state, { removeTables: damage.lostTables, addGaps: damage.gaps })
    for (const { facts } of tables.all) {
      const isGivenUp = options.discards?.has(tableFileName(facts.fileNumber)) === true
      if (isGivenUp) damage.blocks.push(...damagedBlocks(env, directory, facts).map(({ error }) => error))
    }
    const { counts, haveFloors: countsHaveFloors } = await loadCounts(env, options, state, damage)
    const replay = new Replay(state.flushMark, counts)
    for (const { table } of tables.all) {
      replay.maxHlc = Math.max(replay.maxHlc, table.summary.maxHlc)
    }
    replay.sequence = state.lastSequence
    for (const gap of state.gaps) replay.maxHlc = Math.max(replay.maxHlc, gap.maxHlc)
    const { segments, cutOff } = recoverLogs(env, options, state, replay, damage)
    state = applyEdit(state, { addGaps: damage.gaps })
    if (cutOff.length > 0) cutDamage(env, directory, state, cutOff, known)
    const trees = loadTrees(env, options, state, segments.length > 0, replay.flushMark)
    const { blocks } = damage
    const result = replay.result()
    return { state, tables, cache, segments, trees, countsHaveFloors, damagedBlocks: blocks, ...result }
  } catch (error) {
    for (const { table } of tables.all) table.retire(false)
    throw error
  }
}

/**
 * Reads everything in the directory of a node that does not run, and changes nothing: what a start would refuse, and what it would
 * only come to later. Throws CorruptionError for a manifest that cannot be read, and the disk's errors.
 */
export function findDamage(env: Pick<StoreEnv, 'disk' | 'log'>, options: StoreOptions): Finding[] {
  const { directory } = options
  const damage = new StartDamage({ ...options, onDamage: 'quarantine' }, env.log)
  const state = Manifest.load(env.disk, directory)
  if (state === null) return []
  const cache = new BlockCache(options.blockCacheBytes)
  const tables = openTables(env, directory, state, cache, damage)
  const counts = new LiveCounts(options.partitions ?? ONE_PARTITION)
  recoverLogs(env, options, state, new Replay(state.flushMark, counts), damage, false)
  const blocks = tables.all.flatMap(({ facts, table }) => {
    table.retire(false)
    return damagedBlocks(env, directory, facts)
  })
  return [...damage.findings, ...blocks]
}

function damagedBlocks(
  { disk }: Pick<StoreEnv, 'disk'>,
  directory: string,
  { fileNumber, maxToken, entryCount }: ManifestTable,
): Finding[] {
  const name = tableFileName(fileNumber)
  const found: Finding[] = []
  const scanner = new TableScanner(disk, pathOf(directory, name), 0, (error, block) => {
    found.push({ name, error, ...scanner.index.tokensOf(block, maxToken), entriesMax: entryCount })
  })
  try {
    while (scanner.next());
  } finally {
    scanner.close()
  }
  return found
}

/** Counts are derived from the tables: when their file is damaged, gone or of other partitions, the keys are counted anew. */
async function loadCounts(
  env: StoreEnv,
  options: StoreOptions,
  state: ManifestState,
  damage: StartDamage,
): Promise<{ readonly counts: LiveCounts; readonly haveFloors: boolean }> {
  const { directory, partitions = ONE_PARTITION } = options
  const counts = new LiveCounts(partitions)
  if (state.tables.length === 0 && state.countsFile === 0) return { counts, haveFloors: true }
  // The counts know nothing of what is missing.
  const isKnown = damage.lostTables.length === 0 && state.countsFile !== 0
  const stored = isKnown ? readStoredCounts(env, directory, state) : null
  if (stored !== null && counts.matches(stored)) {
    counts.restore(stored)
    return { counts, haveFloors: true }
  }
  if (stored !== null) {
    const from = stored.version
    const to = partitions.version
    env.log.info('key counts are of another ring: the keys are counted anew', { from, to })
  }
  await recountKeys(env, directory, state.tables, state.flushMark, counts, (error) => {
    if (!damage.mayLose(error.file.slice(directory.length + 1))) throw error
    damage.blocks.push(error)
  })
  return { counts, haveFloors: false }
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

function openTables(
  env: Pick<StoreEnv, 'disk' | 'log'>,
  directory: string,
  state: ManifestState,
  cache: BlockCache,
  damage: StartDamage,
): TableSet {
  const opened: LiveTable[] = []
  try {
    for (const facts of state.tables) {
      try {
        opened.push({ facts, table: openTable(env, directory, facts, cache) })
      } catch (error) {
        const isKnown = error instanceof CorruptionError && damage.mayLose(tableFileName(facts.fileNumber))
        if (!isKnown) throw error
        damage.lostTable(facts, error)
      }
    }
    return new TableSet(opened)
  } catch (error) {
    for (const { table } of opened) table.retire(false)
    throw error
  }
}

function openTable(
  { disk }: Pick<StoreEnv, 'disk'>,
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
    'Bring the file back, restore the directory from a snapshot, or see "kindred help repair" for how to give it up.',
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

interface RecoveredLogs {
  readonly segments: readonly SealedSegment[]
  /** Segments that end at damage, which is still on disk behind them. */
  readonly cutOff: readonly Segment[]
}

/** `seals`: the last log is ended on disk where it was cut off; otherwise nothing is changed. */
function recoverLogs(
  env: Pick<StoreEnv, 'disk' | 'log'>,
  options: StoreOptions,
  state: ManifestState,
  replay: Replay,
  damage: StartDamage,
  seals = true,
): RecoveredLogs {
  const { directory } = options
  const present = presentLogs(env, directory)
  const numbers = liveLogs(directory, present, state, damage)
  const segments: SealedSegment[] = []
  const cutOff: Segment[] = []
  const unused = new Map<number, string>()
  let previous = 0
  for (const [index, number] of numbers.entries()) {
    const name = logFileName(number)
    if (!present.has(number)) {
      damage.lostLog(name, options.segmentBytes, missing(pathOf(directory, name), 'log', directory))
      previous = number
      continue
    }
    const path = pathOf(directory, name)
    const later = numbers.slice(index + 1).filter((one) => present.has(one))
    const hasSuccessor = later.some((one) => isUsed(env, directory, one))
    const salvages = damage.mayLose(name)
    const recovered = recoverSegment(env.disk, path, {
      fileNumber: number,
      hasSuccessor,
      capacityBytes: options.segmentBytes,
      visit: replay.visit,
      salvages,
    })
    if (recovered.kind === 'unused') {
      unused.set(number, recovered.damage ?? 'empty')
      // Behind it there is nothing: what stands in it was the end of the log.
      if (!hasSuccessor) replay.cutBytes += recovered.cutBytes
      continue
    }
    if (recovered.kind === 'lost') {
      damage.lostLog(name, recovered.usedBytes, recovered.damage)
      previous = number
      continue
    }
    const { segment } = recovered
    const gone = goneBefore(directory, segment, previous, numbers[0], unused)
    if (gone !== null) {
      if (!damage.mayLose(gone.name)) throw gone.error
      damage.lostLog(gone.name, 0, gone.error)
    }
    damage.logBegins(segment.header.firstSequence)
    replay.cutBytes += recovered.cutBytes
    previous = number
    if (recovered.damage !== null) {
      damage.lostLog(name, recovered.cutBytes, recovered.damage)
      cutOff.push(segment)
    } else if (hasSuccessor || !seals) segment.syncedTo = segment.tail
    else takingRoom(path, segment.tail, () => sealRecovered(env.disk, segment))
    replay.logBytes += segment.tail
    segments.push({
      segment,
      counts: replay.counts.snapshot(),
      trees: null,
      flushMark: replay.flushMark,
      synced: true,
    })
  }
  replay.sequence = damage.logsEnd(replay.sequence)
  return { segments, cutOff }
}

/**
 * Ends the logs on disk where they can be read. A copy goes into quarantine, and the gap into the manifest, before: a log that
 * looks whole again must not be all that is left of the damage. A start that was cut short behind that has left a copy already, of
 * the log as it was.
 */
function cutDamage(
  { disk }: StoreEnv,
  directory: string,
  state: ManifestState,
  cutOff: readonly Segment[],
  known: readonly Gap[],
): void {
  for (const { header } of cutOff) {
    const name = logFileName(header.fileNumber)
    if (!known.some(({ file }) => file === name)) copyToQuarantine(disk, directory, name)
  }
  Manifest.write(disk, directory, state)
  for (const segment of cutOff) takingRoom(segment.path, segment.tail, () => sealRecovered(disk, segment))
}

interface GoneLog {
  readonly name: string
  readonly error: CorruptionError
}

/**
 * A log names the one before it. A log that follows none of the live ones follows one that was flushed: it was older than
 * all of them. Otherwise the one that is named is gone. `unused` says of logs that hold nothing what they hold instead.
 */
function goneBefore(
  directory: string,
  { header, path }: Segment,
  previous: number,
  oldest: number,
  unused: ReadonlyMap<number, string>,
): GoneLog | null {
  const { previousFileNumber } = header
  if (previous === 0 ? previousFileNumber < oldest : previousFileNumber === previous) return null
  const name = logFileName(previousFileNumber)
  const damage = unused.get(previousFileNumber)
  if (damage !== undefined) {
    return { name, error: damaged(pathOf(directory, name), 0, `${damage}, but ${path} follows it`) }
  }
  return {
    name,
    error: new CorruptionError(
      path,
      0,
      `it follows log ${previousFileNumber}, which is missing`,
      'A log between two others is gone; bring it back, restore the directory from a snapshot, or see "kindred help repair".',
    ),
  }
}

function presentLogs(env: Pick<StoreEnv, 'disk'>, directory: string): ReadonlySet<number> {
  const present = new Set<number>()
  for (const name of env.disk.list(directory)) {
    const file = parseFileName(name)
    if (file?.kind === 'log') present.add(file.fileNumber)
  }
  return present
}

/** Numbers of the live logs, ascending. Throws when one that the manifest names is missing and must not be. */
function liveLogs(
  directory: string,
  present: ReadonlySet<number>,
  state: ManifestState,
  damage: StartDamage,
): number[] {
  for (const number of state.logs) {
    const name = logFileName(number)
    if (present.has(number) || damage.mayLose(name)) continue
    throw missing(pathOf(directory, name), 'log', directory)
  }
  const oldest = state.logs.at(0)
  if (oldest === undefined) return []
  const numbers = new Set([...present, ...state.logs])
  return [...numbers].filter((number) => number >= oldest).sort((a, b) => a - b)
}

/** Whether anything was ever written to a log that was made ahead. */
function isUsed(env: Pick<StoreEnv, 'disk'>, directory: string, number: number): boolean {
  const file = env.disk.open(pathOf(directory, logFileName(number)), 'read')
  try {
    const first = Buffer.alloc(SEGMENT_HEADER_BYTES)
    env.disk.readSync(file, first, 0, first.length, 0)
    return !isUnusedHead(first)
  } finally {
    env.disk.close(file)
  }
}

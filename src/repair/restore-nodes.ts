/**
 * Writes the data directories of a new cluster's nodes, or of some of them, from snapshots of another, of whatever size: every record goes, in
 * the order of tables, straight into a sorted table of each node that has a copy of its slot, of the family and window that a flush
 * would file it in. What comes out is as compactions would leave it: tables that do not overlap, and counts. Manifests are written last.
 *
 * What is dead is left out: all replicas are made from the same snapshots, so that there is nobody who could bring it back.
 */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import { recordLength } from '../record/layout.js'
import { slotOfToken } from '../ring/token.js'
import { ENTRY_HEADER_BYTES, KIND_RECORD, writeEntryHeader } from '../storage/entry.js'
import { UNLIMITED_PACE } from '../storage/compaction/pace.js'
import type { CompactionOptions } from '../storage/compaction/compaction-options.js'
import { TableRun } from '../storage/compaction/table-run.js'
import { writeCounts } from '../storage/counts-file.js'
import { syncParents } from '../storage/data-directory.js'
import { countsFileName, pathOf } from '../storage/file-names.js'
import { FAMILY_LEVELED, familyOf, LEVELED_ONLY } from '../storage/families.js'
import type { TablePlace } from '../storage/families.js'
import { LiveCounts } from '../storage/live-counts.js'
import { applyEdit, emptyManifest, Manifest } from '../storage/manifest.js'
import type { WrittenTable } from '../storage/manifest.js'
import { ONE_PARTITION } from '../storage/partitions.js'
import { countEntry } from '../storage/recount-keys.js'
import { refuseUsedDirectory } from '../storage/snapshot/restore-directory.js'
import type { StoreOptions } from '../storage/store-options.js'
import type { SnapshotRecord, SnapshotRecords } from './snapshot-records.js'

export interface RestoredNode {
  readonly name: string
  readonly options: StoreOptions
  /** Random, 53 bits. */
  readonly directoryId: number
  /** Whether it has a copy of the slot. */
  holds(slot: number): boolean
}

export interface RestoreResult {
  readonly keys: number
  /** Of every node, in their order. */
  readonly nodes: readonly { readonly name: string; readonly keys: number; readonly bytes: number }[]
}

/** More tables than a place can have: each has as many numbers of its own. */
const TABLES_MAX = 2 ** 20
const REPORT_EVERY_KEYS = 100_000

/** Throws SnapshotError (a directory is not empty), CorruptionError and the disk's errors; directories have no manifest then. */
export function restoreNodes(
  { disk, clock, log }: { readonly disk: Disk; readonly clock: Clock; readonly log: Log },
  records: SnapshotRecords,
  targets: readonly RestoredNode[],
  onProgress: (keys: number) => void = () => {},
): RestoreResult {
  for (const { options } of targets) refuseUsedDirectory(disk, options.directory)
  for (const { options } of targets) {
    disk.makeDirectory(options.directory)
    syncParents(disk, log, options.directory)
  }
  const nodes = targets.map((target) => new NodeWriter(disk, target, records.flushMark, clock.wallMs()))
  let keys = 0
  try {
    for (const record of records.living(clock.wallMs())) {
      const slot = slotOfToken(record.token)
      for (const node of nodes) if (node.target.holds(slot)) node.add(record)
      if (++keys % REPORT_EVERY_KEYS === 0) onProgress(keys)
    }
    return { keys, nodes: nodes.map((node) => node.finish()) }
  } catch (error) {
    for (const node of nodes) node.abandon()
    throw error
  }
}

class NodeWriter {
  readonly target: RestoredNode
  readonly #disk: Disk
  /** One for each place that tables have (storage/families.ts), by a text that stands for it. */
  readonly #runs = new Map<string, { readonly place: TablePlace; readonly run: TableRun }>()
  readonly #nowMs: number
  readonly #flushMark: number
  readonly #counts: LiveCounts
  #entry: Buffer = Buffer.alloc(4096)
  #sequence = 0

  constructor(disk: Disk, target: RestoredNode, flushMark: number, nowMs: number) {
    this.target = target
    this.#disk = disk
    this.#flushMark = flushMark
    this.#nowMs = nowMs
    this.#counts = new LiveCounts(target.options.partitions ?? ONE_PARTITION)
  }

  add({ token, first, second, bytes, record }: SnapshotRecord): void {
    const length = recordLength(bytes, record)
    if (this.#entry.length < ENTRY_HEADER_BYTES + length)
      this.#entry = Buffer.alloc(2 * (ENTRY_HEADER_BYTES + length))
    bytes.copy(this.#entry, ENTRY_HEADER_BYTES, record, record + length)
    writeEntryHeader(this.#entry, ENTRY_HEADER_BYTES, ++this.#sequence, 0, KIND_RECORD)
    this.#runFor(bytes, record).add(token, first, second, this.#entry, ENTRY_HEADER_BYTES)
    countEntry(this.#counts, { token, bytes, record }, this.#flushMark)
  }

  #runFor(bytes: Buffer, record: number): TableRun {
    const { directory, tableTargetBytes, families = LEVELED_ONLY } = this.target.options
    const place = familyOf(bytes, record, this.#nowMs, families)
    const text = `${place.family} ${place.windowStartMs} ${place.windowEndMs}`
    const known = this.#runs.get(text)
    if (known !== undefined) return known.run
    const fileNumbers = { first: 1 + this.#runs.size * TABLES_MAX, count: TABLES_MAX }
    const plan = { directory, fileNumbers, targetBytes: tableTargetBytes, purgedUntilMs: 0, purgedMark: 0 }
    const run = new TableRun(this.#disk, plan, UNLIMITED_PACE)
    this.#runs.set(text, { place, run })
    return run
  }

  finish(): RestoreResult['nodes'][number] {
    const { options, directoryId, name } = this.target
    const { directory } = options
    const written = [...this.#runs.values()].flatMap(({ place, run }) => {
      const tables = run.finish()
      const isLeveled = place.family === FAMILY_LEVELED
      const level = isLeveled ? levelFor(bytesOf(tables), options.compaction) : place.level
      return tables.map((table) => ({ ...table, ...place, level }))
    })
    const bytes = bytesOf(written)
    const countsFile = Math.max(0, ...written.map(({ fileNumber }) => fileNumber)) + 1
    writeCounts(this.#disk, pathOf(directory, countsFileName(countsFile)), this.#counts.snapshot())
    this.#disk.syncDirectory(directory)
    const state = applyEdit(emptyManifest(directoryId), {
      addTables: written,
      nextFileNumber: countsFile + 1,
      lastSequence: this.#sequence,
      flushMark: this.#flushMark,
      countsFile,
    })
    Manifest.write(this.#disk, directory, state)
    return { name, keys: this.#sequence, bytes }
  }

  abandon(): void {
    for (const { run } of this.#runs.values()) run.abandon()
  }
}

function bytesOf(tables: readonly WrittenTable[]): number {
  return tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/** The first sorted level that may hold so much. */
function levelFor(bytes: number, { levelBaseBytes, levelMultiplier, levels }: CompactionOptions): number {
  let level = 1
  for (let room = levelBaseBytes; room < bytes && level < levels - 1; room *= levelMultiplier) level++
  return level
}

/**
 * What a node remembers of its exchanges over restarts, and the file that keeps it: per range of the ring the purge horizon P,
 * whether the range is stale and from which own sequence on entries count, and per co-replica the last complete exchange (S);
 * per member, who it was (RULES P1, P2). And how often this directory was started, which tells an old copy from the directory.
 *
 *     REPAIR := a line as checked-file.ts has it, then JSON: { startCounter, restoredHlc, ring, members, ranges }
 *
 * Ranges are kept with their slots, so that a ring which divides them otherwise finds what it may believe: of all that overlaps a
 * range the highest horizon and floor, the oldest exchange, and staleness if any was.
 *
 * The file is written whole, beside the old one, synced and renamed; writes that are asked for while nothing else happens
 * are one. Some 150 bytes a range and co-replica.
 */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Ring } from '../ring/ring.js'
import { readWhole, withHeader, withoutHeader, writeWhole } from '../storage/checked-file.js'
import type { CheckedFormat } from '../storage/checked-file.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { pathOf } from '../storage/file-names.js'
import type { Identity } from './exchange-messages.js'
import { STALE_REASONS } from './staleness.js'
import type { StaleReason } from './staleness.js'

export const REPAIR_NAME = 'REPAIR'
const TEMPORARY_NAME = 'REPAIR.tmp'
const ADVICE = `What was exchanged with other replicas is not known without it. Remove the data directory, and the node fetches everything from them.`
const FILE: CheckedFormat = { word: 'kindred-repair', name: 'a repair state', format: 1, advice: ADVICE }
/** Changes within so long are written together. */
const SAVE_AFTER_MS = 20

/**
 * The last complete exchange with a co-replica; `theirsMs` is 0 where it was taken over from a source. Times are the start of it, by
 * each side's clock, milliseconds since 1970.
 */
export interface LastExchange {
  readonly ownMs: number
  readonly theirsMs: number
  /** Newest own entry then. */
  readonly sequence: number
}

/**
 * S: up to when this node has seen what the co-replica had deleted; 0 for never. By the clock that was behind: one that was wrong
 * and far ahead must not make a node look fresh for ever. No purge is later than that, for its evidence asks both clocks (RULES P1).
 */
export function seenUntilMs(last: LastExchange | undefined): number {
  if (last === undefined) return 0
  return last.theirsMs === 0 ? last.ownMs : Math.min(last.ownMs, last.theirsMs)
}

export interface RangeRecord {
  /** P: the end of the last hour purged, milliseconds since 1970; 0 for none. */
  horizonMs: number
  /** Null when the range is not stale. */
  staleReason: StaleReason | null
  /** Own entries up to this sequence count as absent; final once the range was rebuilt above it. */
  floor: number
  isFloorFinal: boolean
  /**
   * Null when nothing of what was acknowledged here is missing here. Otherwise it is, lost or below the floor, and these nodes, by
   * id, had all of it when it went (staleness.ts has what follows).
   */
  coveredBy: readonly string[] | null
  /** By node id. */
  readonly exchanges: Map<string, LastExchange>
}

export interface StoredRange {
  readonly firstSlot: number
  readonly lastSlot: number
  readonly horizonMs: number
  readonly staleReason: StaleReason | null
  readonly floor: number
  readonly isFloorFinal: boolean
  /** Not there when null. */
  readonly coveredBy?: readonly string[]
  readonly exchanges: readonly (LastExchange & { readonly node: string })[]
}

/** What the file in a directory says; null where there is none. Throws CorruptionError and the disk's errors. */
export function readRepairFile(disk: Disk, directory: string): StoredState | null {
  const path = pathOf(directory, REPAIR_NAME)
  return disk.exists(path) ? parse(withoutHeader(FILE, readWhole(disk, path), path), path) : null
}

export interface StoredState {
  readonly startCounter: number
  /** Missing in files of before it was kept. */
  readonly restoredHlc?: number
  readonly members: readonly (Identity & { readonly node: string })[]
  readonly ranges: readonly StoredRange[]
}

export class RepairState {
  /** By range of the ring. */
  readonly ranges: readonly RangeRecord[]
  /** By node id: who the member was when it was last heard. */
  readonly members = new Map<string, Identity>()
  startCounter = 0
  /** What this directory held for others up to this stamp is of an older copy of it that was put back; 0: it never was. */
  restoredHlc = 0
  readonly #ring: Ring
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #directory: string
  readonly #onFailed: (error: unknown) => void
  #saving: Promise<void> | null = null

  private constructor(
    ring: Ring,
    disk: Disk,
    clock: Clock,
    directory: string,
    onFailed: (error: unknown) => void,
  ) {
    this.#ring = ring
    this.#disk = disk
    this.#clock = clock
    this.#directory = directory
    this.#onFailed = onFailed
    this.ranges = Array.from({ length: ring.rangeCount }, emptyRange)
  }

  /** Reads the state of a directory and counts this start, durably. Throws CorruptionError and the disk's errors. */
  static open(
    ring: Ring,
    disk: Disk,
    clock: Clock,
    directory: string,
    onFailed: (error: unknown) => void,
  ): RepairState {
    const state = new RepairState(ring, disk, clock, directory, onFailed)
    const stored = readRepairFile(disk, directory)
    if (stored !== null) state.#restore(stored)
    state.startCounter++
    state.#write()
    return state
  }

  /** Resolves when everything that was changed so far is on disk; rejects with the disk's error. */
  save(): Promise<void> {
    this.#saving ??= new Promise((resolve, reject) => {
      this.#clock.after(SAVE_AFTER_MS, () => {
        this.#saving = null
        try {
          this.#write()
          resolve()
        } catch (error) {
          this.#onFailed(error)
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    })
    return this.#saving
  }

  /** For what nobody waits for. */
  saveSoon(): void {
    this.save().catch(() => {})
  }

  #write(): void {
    const text = JSON.stringify(this.#stored(), null, 1)
    const temporary = pathOf(this.#directory, TEMPORARY_NAME)
    writeWhole(this.#disk, temporary, withHeader(FILE, Buffer.from(text)))
    this.#disk.rename(temporary, pathOf(this.#directory, REPAIR_NAME))
    this.#disk.syncDirectory(this.#directory)
  }

  #stored(): StoredState & { readonly ring: string } {
    return {
      startCounter: this.startCounter,
      restoredHlc: this.restoredHlc,
      ring: this.#ring.version,
      members: [...this.members].map(([node, identity]) => ({ node, ...identity })),
      ranges: this.#ring.ranges().flatMap(({ firstSlot, lastSlot }, range) => {
        const { exchanges, coveredBy, ...facts } = this.ranges[range]
        if (exchanges.size === 0 && facts.horizonMs === 0 && facts.staleReason === null && facts.floor === 0)
          return []
        return {
          firstSlot,
          lastSlot,
          ...facts,
          ...(coveredBy === null ? {} : { coveredBy }),
          exchanges: [...exchanges].map(([node, last]) => ({ node, ...last })),
        }
      }),
    }
  }

  #restore({ startCounter, restoredHlc = 0, members, ranges }: StoredState): void {
    this.startCounter = startCounter
    this.restoredHlc = restoredHlc
    for (const { node, ...identity } of members) this.members.set(node, identity)
    this.#ring.ranges().forEach(({ firstSlot, lastSlot }, range) => {
      const overlapping = ranges.filter((one) => one.firstSlot <= lastSlot && one.lastSlot >= firstSlot)
      overlapping.forEach((stored, i) => joinInto(this.ranges[range], stored, i === 0))
    })
  }
}

function emptyRange(): RangeRecord {
  return {
    horizonMs: 0,
    staleReason: null,
    floor: 0,
    isFloorFinal: false,
    coveredBy: null,
    exchanges: new Map(),
  }
}

function joinInto(range: RangeRecord, stored: StoredRange, isFirst: boolean): void {
  range.horizonMs = Math.max(range.horizonMs, stored.horizonMs)
  range.staleReason ??= stored.staleReason
  range.isFloorFinal = (isFirst || range.isFloorFinal) && stored.isFloorFinal
  range.floor = Math.max(range.floor, stored.floor)
  range.coveredBy = bothCover(range.coveredBy, stored.coveredBy ?? null)
  const others = new Map(stored.exchanges.map(({ node, ...last }) => [node, last]))
  if (isFirst) for (const [node, last] of others) range.exchanges.set(node, last)
  for (const [node, { ownMs }] of range.exchanges) {
    const other = others.get(node)
    if (other === undefined) range.exchanges.delete(node)
    else if (other.ownMs < ownMs) range.exchanges.set(node, other)
  }
}

/** Who has all that is missing, where two things are. Null for nothing. */
export function bothCover(
  a: readonly string[] | null,
  b: readonly string[] | null,
): readonly string[] | null {
  if (a === null || b === null) return a ?? b
  return a.filter((id) => b.includes(id))
}

function parse(body: Buffer, path: string): StoredState {
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    json = null
  }
  if (isState(json)) return json
  throw new CorruptionError(path, 0, 'it contradicts itself', ADVICE)
}

function isState(json: unknown): json is StoredState {
  if (!isObject(json) || !isCount(json['startCounter'])) return false
  const { members, ranges, restoredHlc = 0 } = json
  if (!isCount(restoredHlc)) return false
  if (!Array.isArray(members) || !Array.isArray(ranges)) return false
  const areMembers = members.every(
    (one) => isObject(one) && isText(one['node']) && isText(one['directoryId']),
  )
  return areMembers && ranges.every(isRange)
}

function isRange(json: unknown): boolean {
  if (!isObject(json)) return false
  const { exchanges, staleReason } = json
  const hasNumbers = ['firstSlot', 'lastSlot', 'horizonMs', 'floor'].every((name) => isCount(json[name]))
  const isKnown = staleReason === null || STALE_REASONS.includes(staleReason as StaleReason)
  if (!hasNumbers || !isKnown || !Array.isArray(exchanges)) return false
  if (json['coveredBy'] !== undefined && !isTexts(json['coveredBy'])) return false
  return exchanges.every((one) => {
    return (
      isObject(one) &&
      isText(one['node']) &&
      ['ownMs', 'theirsMs', 'sequence'].every((name) => isCount(one[name]))
    )
  })
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isTexts(json: unknown): boolean {
  return Array.isArray(json) && json.every(isText)
}

function isText(json: unknown): boolean {
  return typeof json === 'string'
}

function isCount(json: unknown): boolean {
  return Number.isSafeInteger(json) && (json as number) >= 0
}

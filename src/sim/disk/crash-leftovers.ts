/**
 * What a crash leaves of a file: the durable bytes and some mixture of the changes that no sync covered.
 *
 * Each 512-byte sector is decided on its own: it holds the durable bytes with the first k of the changes that touch
 * it applied, for any k, and sometimes part of the next write, cut at a byte. So a write survives wholly, in part or not at
 * all, and any write may survive another. The size is the one after the first m changes, for any m, whichever sectors
 * arrived: a file can be longer than what did (zeros) or shorter. A cut (truncate) is atomic: either the size and every sector
 * are as before it, or no byte of before it comes back.
 *
 * A file's mixture has a style, drawn first: all in order, or each sector by a coin of some bias. A fair coin for
 * each sector alone would hardly ever leave a long write whole, or lose only its middle.
 *
 * Rejected: a coin for each write. The kernel writes pages, not writes: of two writes to one sector the second
 * never survives without the first.
 */
import { assert } from '../../util/assert.js'
import type { SimRandom } from '../sim-random.js'
import type { PagedBytes } from './paged-bytes.js'

export const SECTOR_BYTES = 512

/** A write of `bytes` at `position`, or without bytes a change of the size to `position`. */
export interface Change {
  readonly position: number
  readonly bytes: Uint8Array | undefined
}

/** A change of size as sectors see it: their bytes from `sizeBytes` on become zeros. */
interface Cut {
  readonly index: number
  readonly sizeBytes: number
}

const TORN_SECTOR_CHANCES = [0, 0.05, 0.5]
const IN_ORDER_CHANCE = 0.3
const SURVIVAL_CHANCES = [0, 0.1, 0.5, 0.9, 1]

/** The file's bytes after a crash; `changes` are oldest first, `durable` is left as it is. */
export function crashLeftovers(
  durable: PagedBytes,
  changes: readonly Change[],
  random: SimRandom,
): PagedBytes {
  return new Crash(durable, changes, random).leftovers()
}

class Crash {
  readonly #durable: PagedBytes
  readonly #changes: readonly Change[]
  readonly #cuts: readonly Cut[]
  readonly #random: SimRandom
  /** m: the size is the one after this many changes. */
  readonly #sizeChanges: number
  readonly #inOrder: boolean
  readonly #survivalChance: number
  readonly #tornChance: number

  constructor(durable: PagedBytes, changes: readonly Change[], random: SimRandom) {
    this.#durable = durable
    this.#changes = changes
    this.#cuts = cutsOf(changes)
    this.#random = random
    this.#sizeChanges = random.pick([0, changes.length, random.below(changes.length + 1)])
    this.#inOrder = random.chance(IN_ORDER_CHANCE)
    this.#survivalChance = random.pick(SURVIVAL_CHANCES)
    this.#tornChance = random.pick(TORN_SECTOR_CHANCES)
  }

  leftovers(): PagedBytes {
    const result = this.#durable.clone()
    let sizeBytes = result.sizeBytes
    for (const change of this.#changes.slice(0, this.#sizeChanges)) {
      const end = change.position + (change.bytes?.length ?? 0)
      sizeBytes = change.bytes === undefined ? end : Math.max(sizeBytes, end)
      if (sizeBytes < result.sizeBytes) result.resize(sizeBytes)
    }
    for (const [sector, writes] of writesBySector(this.#changes)) {
      const bytes = this.#sectorAfter(sector * SECTOR_BYTES, writes, this.#keptChanges(sector))
      result.write(bytes, 0, SECTOR_BYTES, sector * SECTOR_BYTES)
    }
    result.resize(sizeBytes)
    return result
  }

  /** k: how many of all changes the sector has seen; never on the other side of a cut than the size is. */
  #keptChanges(sector: number): number {
    let low = 0
    let high = this.#changes.length
    for (const cut of this.#cuts) {
      if (cut.sizeBytes >= (sector + 1) * SECTOR_BYTES) continue
      if (cut.index < this.#sizeChanges) low = cut.index + 1
      else high = Math.min(high, cut.index)
    }
    if (this.#inOrder) return Math.min(Math.max(this.#sizeChanges, low), high)
    if (this.#random.chance(this.#survivalChance)) return high
    return this.#random.chance(0.5) ? low : this.#random.between(low, high)
  }

  #sectorAfter(start: number, writes: readonly number[], kept: number): Uint8Array {
    const bytes = new Uint8Array(SECTOR_BYTES)
    this.#durable.read(bytes, 0, SECTOR_BYTES, start)
    for (const index of this.#touching(start, writes)) {
      const change = this.#changes[index]
      if (index >= kept) {
        this.#maybeTear(bytes, start, change)
        break
      }
      if (change.bytes === undefined) bytes.fill(0, Math.max(0, change.position - start))
      else applyWrite(bytes, start, change, start, start + SECTOR_BYTES)
    }
    return bytes
  }

  /** The indexes of all changes that the sector sees, oldest first. */
  #touching(start: number, writes: readonly number[]): readonly number[] {
    const cuts = this.#cuts.filter((cut) => cut.sizeBytes < start + SECTOR_BYTES)
    if (cuts.length === 0) return writes
    return [...writes, ...cuts.map((cut) => cut.index)].sort((a, b) => a - b)
  }

  /** The first change that the sector has not seen may have arrived in part, if it is a write. */
  #maybeTear(bytes: Uint8Array, start: number, change: Change): void {
    if (change.bytes === undefined || !this.#random.chance(this.#tornChance)) return
    const low = Math.max(start, change.position)
    const high = Math.min(start + SECTOR_BYTES, change.position + change.bytes.length)
    const at = this.#random.between(low, high)
    if (this.#random.chance(0.5)) applyWrite(bytes, start, change, low, at)
    else applyWrite(bytes, start, change, at, high)
  }
}

function cutsOf(changes: readonly Change[]): Cut[] {
  const cuts: Cut[] = []
  changes.forEach(({ position, bytes }, index) => {
    if (bytes === undefined) cuts.push({ index, sizeBytes: position })
  })
  return cuts
}

/** Copies what of the write falls into positions [from, to) to the sector at `start`. */
function applyWrite(sector: Uint8Array, start: number, change: Change, from: number, to: number): void {
  assert(change.bytes !== undefined, 'only writes carry bytes')
  const low = Math.max(from, change.position)
  const high = Math.min(to, change.position + change.bytes.length)
  sector.set(change.bytes.subarray(low - change.position, high - change.position), low - start)
}

/** For each sector that is written to, the indexes of those writes, oldest first. */
function writesBySector(changes: readonly Change[]): Map<number, number[]> {
  const sectors = new Map<number, number[]>()
  changes.forEach(({ position, bytes }, index) => {
    if (bytes === undefined) return
    const last = Math.floor((position + bytes.length - 1) / SECTOR_BYTES)
    for (let sector = Math.floor(position / SECTOR_BYTES); sector <= last; sector++) {
      const writes = sectors.get(sector)
      if (writes === undefined) sectors.set(sector, [index])
      else writes.push(index)
    }
  })
  return sectors
}

/**
 * Takes blocks of tables into the block cache before lookups come to them. Without it keys that were in memory turn cold by
 * the hundred thousand: when a segment that was retained for its tables goes, and when a compaction has rewritten what
 * the cache held. Their blocks would be read and checked on the event loop by the next requests, which all wait.
 *
 * What is worth it: all tables of the segment that goes next, because memory held what is in them; of what a compaction
 * writes, before it is used, the blocks in whose place the oldest input, from which most of the entries come, was in memory,
 * be it in the cache or in a retained segment; the inputs' blocks there lose what protects them from eviction, so that
 * the new ones take their place. Both within a share of the cache.
 *
 * A worker reads and checks the blocks, a piece at a time, and the event loop copies the piece into the cache between
 * requests. Whatever goes wrong only leaves blocks cold, for the next reader to find out.
 */
import type { Clock } from '../env/clock.js'
import type { Log } from '../env/log.js'
import type { BlockCache } from './block-cache.js'
import { CorruptionError } from './corruption-error.js'
import type { StorageJobs } from './jobs/storage-jobs.js'
import type { StoreEnv } from './store-options.js'
import type { RetainedSegments } from './retained-segments.js'
import type { LiveTable } from './table-set.js'
import type { Table } from './table/table.js'

/** What the event loop copies in one go: some 0.2 ms. */
const PIECE_BYTES = 1024 * 1024
/** Blocks of which the event loop asks in one go whether they are wanted: where none is, that is all it does. */
const BLOCKS_LOOKED_AT_MAX = 1024
/** Of the cache, what one segment that goes or one compaction may bring in: the divisor. */
const CACHE_SHARE = 2

export class CacheWarmUp {
  readonly #jobs: StorageJobs
  readonly #clock: Clock
  readonly #log: Log
  readonly #retained: RetainedSegments
  readonly #budgetBytes: number

  constructor({ jobs, clock, log }: StoreEnv, cache: BlockCache, retained: RetainedSegments) {
    this.#jobs = jobs
    this.#clock = clock
    this.#log = log
    this.#retained = retained
    this.#budgetBytes = cache.sizeBytes / CACHE_SHARE
  }

  /** Before a retained segment goes, the tables for which it has answered: every block. Never rejects. */
  async leaving(tables: readonly Table[]): Promise<void> {
    await this.#takeIn(tables, () => true)
  }

  /** After a merge of `inputs`, which are still in use. Never rejects. */
  async merged(tables: readonly LiveTable[], inputs: readonly LiveTable[]): Promise<void> {
    const oldestFirst = [...inputs].sort((a, b) => b.facts.level - a.facts.level)
    const written = tables.map(({ table }) => table)
    await this.#takeIn(written, (token) => {
      let wanted: boolean | null = null
      for (const { table } of oldestFirst) {
        if (!covers(table, token)) continue
        wanted ??= this.#retained.tables.has(table) || table.hasInMemory(token)
        table.demote(token)
      }
      return wanted === true
    })
  }

  async #takeIn(tables: readonly Table[], wants: (firstToken: number) => boolean): Promise<void> {
    const piece = new SharedArrayBuffer(Math.min(PIECE_BYTES, this.#budgetBytes))
    let left = this.#budgetBytes
    for (const table of tables) {
      try {
        for (let block = 0; block < table.index.blockCount && left > 0 && !table.isRetired;) {
          const { blocks, next } = choosePiece(table, block, piece.byteLength, wants)
          if (blocks.length === 0) {
            await this.#nextTurn()
            block = next
            continue
          }
          const { taken, bytes } = await this.#takePiece(table, blocks, piece)
          // Expanded, the others found no room in the piece; one that never will is left to whoever wants it.
          block = taken === blocks.length ? next : (blocks[Math.max(taken, 1)] ?? next)
          left -= bytes
        }
      } catch (error) {
        // One that was compacted away meanwhile has no file any more, and nobody who would ask it.
        if (table.isRetired) continue
        if (error instanceof CorruptionError) table.onDamage(table, error)
        return this.#log.warn('a table not taken into the cache', { error: String(error) })
      }
    }
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#clock.endOfTurn(resolve))
  }

  /** Answers how many of the blocks the piece had room for, and how many bytes they have in memory. */
  async #takePiece(
    table: Table,
    blocks: readonly number[],
    piece: SharedArrayBuffer,
  ): Promise<{ readonly taken: number; readonly bytes: number }> {
    const { index } = table
    const { byteLengths } = await this.#jobs.readBlocks({
      path: table.path,
      offsets: Float64Array.from(blocks, (block) => index.offset(block)),
      lengths: Uint32Array.from(blocks, (block) => index.storedLength(block)),
      checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
      into: piece,
    })
    const bytes = Buffer.from(piece)
    let at = 0
    byteLengths.forEach((byteLength, i) => {
      table.offer(blocks[i], bytes, at)
      at += byteLength
    })
    return { taken: byteLengths.length, bytes: at }
  }
}

/** The next wanted blocks that fit a piece, from `block` on, and the block to go on with. */
function choosePiece(
  table: Table,
  block: number,
  pieceBytes: number,
  wants: (firstToken: number) => boolean,
): { readonly blocks: readonly number[]; readonly next: number } {
  const { index } = table
  const end = Math.min(index.blockCount, block + BLOCKS_LOOKED_AT_MAX)
  const blocks: number[] = []
  let bytes = 0
  let next = block
  for (; next < end; next++) {
    const length = index.storedLength(next)
    // A jumbo block larger than a piece is left to whoever wants it.
    if (length > pieceBytes || !wants(index.firstTokens[next])) continue
    if (bytes + length > pieceBytes) break
    blocks.push(next)
    bytes += length
  }
  return { blocks, next }
}

function covers(table: Table, token: number): boolean {
  return table.summary.minToken <= token && token <= table.summary.maxToken
}

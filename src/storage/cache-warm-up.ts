/**
 * Takes blocks of tables that a job has just written into the block cache, before the tables are used. Without it each flush
 * turns keys that were in memory into cold ones, and each compaction turns everything that it touched cold at once: the
 * tens of thousands of blocks are then read and checked on the event loop by the next requests, which all wait.
 *
 * What is worth it: all that a flush writes, because memory held it until then; of what a compaction writes, the blocks
 * in whose place the oldest input, from which most of the entries come, was in memory; the inputs' blocks there lose what
 * protects them from eviction, so that the new ones take their place. Both within a share of the cache.
 *
 * A worker reads and checks the blocks, a piece at a time, and the event loop copies the piece into the cache between
 * requests. Whatever goes wrong only leaves blocks cold, for the next reader to find out.
 */
import type { Log } from '../env/log.js'
import type { BlockCache } from './block-cache.js'
import type { StorageJobs } from './jobs/storage-jobs.js'
import type { LiveTable } from './table-set.js'
import type { Table } from './table/table.js'

/** What the event loop copies in one go: some 0.2 ms. */
const PIECE_BYTES = 1024 * 1024
/** Of the cache, what one flush or compaction may bring in: the divisor. */
const CACHE_SHARE = 2

export class CacheWarmUp {
  readonly #jobs: StorageJobs
  readonly #log: Log
  readonly #budgetBytes: number

  constructor(jobs: StorageJobs, cache: BlockCache, log: Log) {
    this.#jobs = jobs
    this.#log = log
    this.#budgetBytes = cache.sizeBytes / CACHE_SHARE
  }

  /** After a flush: every block. Never rejects. */
  async flushed(tables: readonly LiveTable[]): Promise<void> {
    await this.#takeIn(tables, () => true)
  }

  /** After a merge of `inputs`, which are still in use. Never rejects. */
  async merged(tables: readonly LiveTable[], inputs: readonly LiveTable[]): Promise<void> {
    const oldestFirst = [...inputs].sort((a, b) => b.facts.level - a.facts.level)
    await this.#takeIn(tables, (token) => {
      let wanted: boolean | null = null
      for (const { table } of oldestFirst) {
        if (!covers(table, token)) continue
        wanted ??= table.hasInMemory(token)
        table.demote(token)
      }
      return wanted === true
    })
  }

  async #takeIn(tables: readonly LiveTable[], wants: (firstToken: number) => boolean): Promise<void> {
    const piece = new SharedArrayBuffer(Math.min(PIECE_BYTES, this.#budgetBytes))
    let left = this.#budgetBytes
    try {
      for (const { table } of tables) {
        const { blockCount, firstTokens } = table.index
        for (let block = 0; block < blockCount && left > 0;) {
          const blocks: number[] = []
          let bytes = 0
          for (; block < blockCount; block++) {
            const length = table.index.storedLength(block)
            // A jumbo block larger than a piece is left to whoever wants it.
            if (length > piece.byteLength || !wants(firstTokens[block])) continue
            if (bytes + length > piece.byteLength) break
            blocks.push(block)
            bytes += length
          }
          if (blocks.length > 0) await this.#takePiece(table, blocks, piece)
          left -= bytes
        }
      }
    } catch (error) {
      this.#log.warn('new tables not taken into the cache', { error: String(error) })
    }
  }

  async #takePiece(table: Table, blocks: readonly number[], piece: SharedArrayBuffer): Promise<void> {
    const { index } = table
    await this.#jobs.readBlocks({
      path: table.path,
      offsets: Float64Array.from(blocks, (block) => index.offset(block)),
      lengths: Uint32Array.from(blocks, (block) => index.storedLength(block)),
      checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
      into: piece,
    })
    const bytes = Buffer.from(piece)
    let at = 0
    for (const block of blocks) {
      table.offer(block, bytes, at)
      at += index.storedLength(block)
    }
  }
}

function covers(table: Table, token: number): boolean {
  return table.summary.minToken <= token && token <= table.summary.maxToken
}

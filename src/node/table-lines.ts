/** What INFO storage says of tables and their cache, and what the log says where they cannot be compressed as asked for. */
import type { Log } from '../env/log.js'
import type { StoreFacts } from '../storage/store.js'
import type { TableCompression } from '../storage/table/block-compression.js'
import { lz4IsNative } from '../util/lz4.js'
import { zstdIsNative } from '../util/zstd.js'

const MILLION = 1_000_000

/** Names and values, in the order of INFO. */
export function tableLines(facts: StoreFacts): (readonly [string, string | number])[] {
  const { residentBytes, tableEntries, blockBytes, storedBlockBytes, cacheHits, cacheMisses } = facts
  return [
    ['storage_table_entries', tableEntries],
    ['storage_index_filter_bytes', residentBytes],
    ['storage_index_filter_bytes_per_million', Math.round(ratio(residentBytes, tableEntries) * MILLION)],
    ['storage_block_bytes', blockBytes],
    ['storage_block_stored_bytes', storedBlockBytes],
    ['storage_compression_ratio', (storedBlockBytes === 0 ? 1 : blockBytes / storedBlockBytes).toFixed(2)],
    ['storage_lz4', lz4IsNative ? 'native' : 'javascript'],
    ['storage_zstd', zstdIsNative ? 'native' : 'read-only'],
    ['storage_cache_hits', cacheHits],
    ['storage_cache_misses', cacheMisses],
    ['storage_cache_hit_rate', ratio(cacheHits, cacheHits + cacheMisses).toFixed(4)],
  ]
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

/** Says what the packages' missing binaries mean for this node. */
export function warnOfCompression(log: Log, { tables, deepest }: TableCompression): void {
  if (!lz4IsNative && (tables !== 'none' || deepest !== 'none')) {
    log.warn('no LZ4 binary for this platform: tables are compressed and read by slower JavaScript')
  }
  if (!zstdIsNative && (tables === 'zstd' || deepest === 'zstd')) {
    log.warn(
      'no Zstandard binary for this platform: tables are compressed with LZ4 instead; those of others are read',
    )
  }
}

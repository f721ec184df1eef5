/**
 * The one table from our errors to what a Redis client reads. Redis's own words where it has the case: MISCONF for a log
 * that cannot be written, OOM for no room, LOADING-like states by their nearest. Everything but UNCERTAIN means that
 * nothing was applied; where a log's outcome is unknown the connection is closed instead, which clients take for exactly that.
 */
import type { ClusterErrorCode } from '../coordinator/cluster-error.js'
import { ClusterError } from '../coordinator/cluster-error.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { StoreError } from '../storage/store-error.js'
import type { StoreErrorCode } from '../storage/store-error.js'

export const STORE_ERROR_TEXTS: Readonly<Record<StoreErrorCode, string>> = {
  'disk-full': 'MISCONF Errors writing to the AOF file: No space left on device',
  'log-failed': 'MISCONF Errors writing to the AOF file:',
  'too-large': 'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
  behind: 'OOM command not allowed: flushing and compaction are behind, try again',
  closed: 'ERR the server is shutting down',
}

export const CLUSTER_ERROR_TEXTS: Readonly<Record<ClusterErrorCode, string>> = {
  'no-replicas-read': 'NOREPLICAS Not enough good replicas to read.',
  'no-replicas-write': 'NOREPLICAS Not enough good replicas to write.',
  clock: 'CLOCK This node’s clock is in doubt, nothing was written',
  uncertain: 'UNCERTAIN it may have been applied:',
  busy: 'ERR too many requests are waiting for other nodes',
}

/** Whether an error is none that the store, its files and the cluster are expected to have. */
export function isUnexpected(error: unknown): boolean {
  const isExpected =
    error instanceof StoreError || error instanceof CorruptionError || error instanceof ClusterError
  return !isExpected
}

/** The text of an error reply, code first, for whatever a command threw. */
export function errorText(error: unknown): string {
  if (error instanceof StoreError) {
    const text = STORE_ERROR_TEXTS[error.code]
    return error.code === 'log-failed' ? `${text} ${error.message}` : text
  }
  if (error instanceof ClusterError) return `${CLUSTER_ERROR_TEXTS[error.code]} ${error.message}`.trimEnd()
  if (error instanceof CorruptionError) return `CORRUPT ${error.message}`
  return `ERR internal error: ${error instanceof Error ? error.message : String(error)}`
}

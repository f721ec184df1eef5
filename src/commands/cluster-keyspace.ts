/**
 * The keyspace of the whole cluster, for commands that are not about single keys: DBSIZE, KEYS, SCAN, RANDOMKEY, FLUSHALL. The
 * node implements it; a node that is alone has none, and the same commands run over its own Keyspace.
 *
 * Every method rejects with ClusterError.
 */
import type { Level } from '../coordinator/consistency.js'
import type { KeyVisitor } from '../coordinator/keyspace.js'
import type { Request } from './request.js'

/** Whose keys: all of them, or those of the slots that this node is home of. */
export type Scope = 'cluster' | 'home'

/** What a step of a scan came to. */
export interface ScanStep {
  /** Token to go on from, 0 at the end. */
  readonly next: number
  /** Keys that were looked at, dead ones included. */
  readonly looked: number
}

export interface ClusterKeyspace {
  /** Live keys (RULES R5). */
  count(scope: Scope): Promise<number>
  /**
   * Visits live keys from token `cursor` on, in token order, some `keys` of them or fewer, as `level` replicas have them (RULES R4).
   */
  scan(scope: Scope, cursor: number, keys: number, level: Level, visit: KeyVisitor): Promise<ScanStep>
  /** A random token of a slot that counts, to begin a walk at; 0 when no slot does. */
  randomToken(scope: Scope): number
  /** Removes every key everywhere (RULES P4). */
  flushAll(): Promise<void>
}

/** Plain clients see the cluster, cluster clients ask every node for its part. */
export function scopeOf({ session }: Request): Scope {
  return session.listener === 'smart' ? 'home' : 'cluster'
}

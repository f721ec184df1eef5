/**
 * The keyspace as commands see it: find a key, write over what was found, walk keys in token order. One node implements
 * it over its own store (LocalKeyspace); with replicas the same calls go through the home of each key.
 *
 * The contract that keeps a command atomic (RULES V2): `find` answers at once from memory, or says COLD, in which case
 * the command must return Outcome.COLD without having written anything, neither keys nor reply worth keeping; it is run
 * again from its start when the blocks it asked for are in memory. So every command first finds all keys it needs (ask
 * for every one of them even after the first COLD: the loads then run side by side), then decides, then writes, in one
 * synchronous step.
 */
import type { CapExceeded } from '../record/caps.js'
import type { RecordValue, SiblingKind } from '../record/record.js'
import type { VersionVector } from '../record/version-vector.js'

/** What find() answers. Numbers, because the hot path compares them millions of times a second. */
export const ABSENT = 0
export const LIVE = 1
export const COLD = 2
export type Lookup = typeof ABSENT | typeof LIVE | typeof COLD

/** A value as find() left it. Valid until the command returns; later finds overwrite it, so copy out the fields you need. */
export interface Found {
  bytes: Buffer
  /** The value is bytes[start, end). */
  start: number
  end: number
  /** Milliseconds since 1970; 0 when the key has no time to live. */
  expireAtMs: number
  /** When the value was written, by the wall clock, milliseconds since 1970. */
  writtenAtMs: number
  /** Bytes that the whole entry takes (MEMORY USAGE). */
  entryBytes: number
}

export interface Keyspace {
  /** Filled by every find() that answers LIVE. */
  readonly found: Found
  /** The wall clock as of this batch of requests, milliseconds since 1970: the `now` of every command in it. */
  nowMs(): number
  /** Looks up the key bytes[start, end). Deleted and expired keys are ABSENT. */
  find(bytes: Buffer, start: number, end: number): Lookup
  /**
   * Writes value[valueStart, valueEnd) under a key that find() has answered LIVE or ABSENT for in this same step.
   * `expireAtMs` is 0 for none; a time that is not after now is allowed and makes the key absent. The value may lie in
   * `found.bytes`, in the request or in a buffer of the command's own; it is copied before the call returns.
   * Throws StoreError when the log cannot take it; then nothing was written.
   */
  set(
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): void
  /** Deletes a key that find() has answered LIVE for in this same step. Throws like set(). */
  delete(bytes: Buffer, keyStart: number, keyEnd: number): void
  /**
   * The whole record of the key that the last find() answered LIVE or ABSENT for, with all its siblings but flushed ones;
   * null when there is none. Its bytes are valid until the command returns.
   */
  foundRecord(): RecordValue | null
  /**
   * Replaces exactly what the writer has seen of a key that find() has answered LIVE or ABSENT for in this same step, and
   * leaves everything else beside it (RULES V3). `context` is what the writer was given with the siblings; the caller has
   * checked that it is not ahead of the clock. `kind` is KIND_VALUE or KIND_DELETION, whose value is empty. Null when done,
   * else why nothing was written (RULES V8). Throws like set().
   */
  resolve(
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    context: VersionVector,
    kind: SiblingKind,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): CapExceeded | null
  /**
   * Makes sure that the next writes, of `writes` keys and `payloadBytes` of keys and values together, reach the log as
   * one unit: after a crash all of them are there or none. Called before the first of several writes.
   */
  reserve(writes: number, payloadBytes: number): void
  /**
   * Walks live keys in token order from the SCAN cursor `cursor` (0 starts): visits about `count` keys, fewer (even none)
   * when many are dead or blocks are missing, and never splits keys of equal token. Answers the next cursor, 0 at the end, or COLD_SCAN when blocks have
   * to be loaded first (visits made before that are void). `visit` gets the key and, via `found`, its value.
   */
  scan(cursor: number, count: number, visit: KeyVisitor): number
  /**
   * Resolves when the blocks that the COLD answers since the last call asked for are in memory; null when none are needed.
   * They stay there until release(), and those of `before`, which the answer takes over, with them: a task that gives
   * blocks back before it has got any further may find that they push each other out for ever. Rejects when a block
   * cannot be read; then nothing is held, `before` included.
   */
  whenLoaded(before: LoadedBlocks | null): Promise<LoadedBlocks | null>
  /** Live keys on this node, exact to within a second of expiry (RULES R5). */
  count(): number
  /** Of these, how many have a time to live. */
  countExpiring(): number
  /** Removes every key (RULES P4): resolves when the mark is as durable as appendfsync says; rejects with StoreError. */
  flushAll(): Promise<void>
}

export interface LoadedBlocks {
  /** Called once. */
  release(): void
}

export const COLD_SCAN = -1

/** Key bytes[start, end); only valid during the call. */
export type KeyVisitor = (bytes: Buffer, start: number, end: number) => void

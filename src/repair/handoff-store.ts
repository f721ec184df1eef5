/**
 * Where a node keeps what it holds for others: hints and fallback copies, as ordered keys and values (handoff-entry.ts says which).
 * LMDB on a real disk (lmdb-handoff-store.ts), a twin in memory in a simulation. The interface is as narrow as what both can
 * promise:
 *
 * - What was written may be seen by scan() at any time from then on, and is seen at the latest when `done` was called.
 * - It is durable when `done(null)` was called, and not before. After `done(error)` nobody knows.
 * - Writes take effect in the order of their calls.
 */

export interface HandoffWrite {
  readonly key: Buffer
  /** Null: the key goes. */
  readonly value: Buffer | null
}

export interface HandoffEntry {
  readonly key: Buffer
  readonly value: Buffer
}

export interface HandoffStore {
  /**
   * Keys and values lie on the heap (never in shared memory), belong to nobody else, and stay as they are until `done` was called.
   * `done` is never called before apply() has returned.
   */
  apply(writes: readonly HandoffWrite[], done: (error: Error | null) => void): void
  /** Bytes of the key's value; -1 where there is none. Sees what scan() sees. */
  valueBytes(key: Buffer): number
  /** Entries with keys from `from` on and below `end`, ascending: at most so many, or those that pass `bytesMax` of values. */
  scan(from: Buffer, end: Buffer, entriesMax: number, bytesMax: number): readonly HandoffEntry[]
  /** Everything that is there was read once since it was opened: it is no reason for a start to fail. */
  wasRead(): void
  /** What was written is durable afterwards, as far as it can be. No other call may follow. */
  close(): Promise<void>
}

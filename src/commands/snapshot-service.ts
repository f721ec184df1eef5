/** What commands may ask of a node about its snapshots. */

/** What INFO and LASTSAVE say, in the words of Redis. */
export interface SaveFacts {
  /** Entries appended since what the last snapshot is known to hold. */
  readonly changesSince: number
  readonly isSaving: boolean
  /** Unix seconds of the last snapshot that was made; of the node's start when there is none. */
  readonly lastUnixSeconds: number
  /** Whether the last one that was asked for failed, and why; empty when it did not. */
  readonly lastError: string
  /** Of the last one, and of the one being made; -1 for none. */
  readonly lastSeconds: number
  readonly currentSeconds: number
  /** Whole ones in the folder. */
  readonly count: number
  readonly lastBytes: number
}

export interface Snapshots {
  facts(): SaveFacts
  /** Resolves with the path of the whole snapshot; null when one is being made. Rejects with why it was not made. */
  take(name?: string): Promise<string> | null
  /**
   * Writes down what this node holds for others under this name, to become a part of the snapshot that is taken next; null when one
   * is being made. Once all nodes of a cluster have, each may take its own.
   */
  prepare(name: string): Promise<void> | null
  /** Names of the whole snapshots, oldest first. */
  list(): readonly string[]
}

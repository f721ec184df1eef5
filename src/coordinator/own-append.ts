/**
 * The home's own append of a proposal that has been decided (RULES V10): every record of it is merged into what the node
 * holds *now*, which may be more than it was based on, because whatever arrived meanwhile was merged. A predecessor that has
 * left memory in between is loaded first, and where the log has no room now it waits for some, up to a deadline: others have
 * the records already. The keys stay held until all of it is done.
 */
import { CorruptionError } from '../storage/corruption-error.js'
import { NoRoomYet, StoreError } from '../storage/store-error.js'
import type { LoadedBlocks } from './keyspace.js'
import type { ProposedRecords } from './operation.js'
import { MERGE_COLD } from './record-merger.js'
import type { RecordMerger } from './record-merger.js'

export class OwnAppend {
  readonly #merger: RecordMerger
  readonly #draft: ProposedRecords
  /**
   * With the sequences of the first and the last entry that hold the records (0 for none; the last has to be durable), and the error
   * that kept others from being appended.
   */
  readonly #done: (first: number, last: number, error: Error | null) => void
  /** Calls back when the log may have room; answers false when there is no time left to wait for it. */
  readonly #awaitRoom: (again: () => void) => boolean
  #next = 0
  #first = 0
  #sequence = 0
  #held: LoadedBlocks | null = null
  #wasDamaged = false

  constructor(
    merger: RecordMerger,
    draft: ProposedRecords,
    awaitRoom: (again: () => void) => boolean,
    done: (first: number, last: number, error: Error | null) => void,
  ) {
    this.#merger = merger
    this.#draft = draft
    this.#awaitRoom = awaitRoom
    this.#done = done
  }

  /** Calls `done` before it returns, unless blocks or room are missing. */
  start(): void {
    const { bytes, starts, keyHashes } = this.#draft
    try {
      while (this.#next < keyHashes.length) {
        const sequence = this.#merger.merge(bytes, starts[this.#next], starts[this.#next + 1])
        if (sequence === MERGE_COLD) return this.#load()
        this.#first = this.#first === 0 ? sequence : Math.min(this.#first, sequence)
        this.#sequence = Math.max(this.#sequence, sequence)
        this.#next++
      }
      this.#end(null)
    } catch (error) {
      if (error instanceof NoRoomYet && this.#awaitRoom(() => this.start())) return
      if (!(error instanceof StoreError)) throw error
      this.#end(error)
    }
  }

  #load(): void {
    const before = this.#held
    this.#held = null
    this.#merger.startLoads((load) => {
      this.#held = load
      const { error } = load
      // What is damaged has become a gap: the records are merged into what lies above it, and nothing need be read.
      const isGap = error instanceof CorruptionError && !this.#wasDamaged
      this.#wasDamaged ||= isGap
      if (error === null || isGap) this.start()
      else this.#end(error)
    }, before)
  }

  #end(error: Error | null): void {
    this.#held?.release()
    this.#held = null
    this.#done(this.#first, this.#sequence, error)
  }
}

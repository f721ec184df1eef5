/**
 * What compactions have done and are doing, for INFO, KV.COMPACT and the status of a node: how many by family and by reason,
 * bytes, how far the running one is, and how far one that was asked for.
 */
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED, FAMILY_WINDOW } from './families.js'
import type { Family } from './families.js'
import { totalBytes } from './compaction/levels.js'
import type { CompactionPick, CompactionReason } from './compaction/picker.js'
import type { CompactResult } from './jobs/storage-jobs.js'

/** By Family. */
export const FAMILY_NAMES: Readonly<Record<Family, string>> = {
  [FAMILY_LEVELED]: 'leveled',
  [FAMILY_SIZE_TIERED]: 'size-tiered',
  [FAMILY_WINDOW]: 'window',
}

export interface FamilyFacts {
  readonly compactions: number
  readonly readBytes: number
  readonly writtenBytes: number
}

export interface RunningCompaction {
  readonly family: string
  readonly reason: CompactionReason
  readonly tables: number
  readonly inputBytes: number
  /** Of the inputs. */
  readonly readBytes: number
  readonly runsForMs: number
}

/** A compaction that was asked for; of the last one, when none is under way. */
export interface WantedFacts {
  readonly isDone: boolean
  readonly askedAtMs: number
  /** 0 while it is under way. */
  readonly doneAtMs: number
  /** What had to be rewritten when it was asked for, and what of that or of its results still has to. */
  readonly totalBytes: number
  readonly leftBytes: number
  readonly compactions: number
}

export interface CompactionFacts {
  readonly byFamily: Readonly<Record<string, FamilyFacts>>
  /** Moves and drops included, which read nothing. */
  readonly byReason: Readonly<Partial<Record<CompactionReason, number>>>
  readonly running: RunningCompaction | null
  readonly wanted: WantedFacts | null
}

const KIB = 1024

interface Running {
  readonly pick: CompactionPick
  readonly startedMs: number
  readonly progress: Int32Array
}

export class CompactionTally {
  readonly #byFamily = new Map<Family, FamilyFacts>()
  readonly #byReason = new Map<CompactionReason, number>()
  #running: Running | null = null

  /** A pick is being carried out from now on (monotonic). Answers the words in which its job says how far it is: see CompactJob. */
  begin(pick: CompactionPick, nowMs: number): Int32Array {
    const progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    this.#running = { pick, startedMs: nowMs, progress }
    return progress
  }

  /** It has ended; `isDone` when its outcome is recorded. */
  end(isDone: boolean): void {
    const running = this.#running
    this.#running = null
    if (running === null || !isDone) return
    const { reason } = running.pick
    this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + 1)
    this.#add(running.pick, 1, 0, 0)
  }

  /** Its job has read and written this; whether the outcome can be recorded is another matter. */
  merged(pick: CompactionPick, { bytesRead, bytesWritten }: CompactResult): void {
    this.#add(pick, 0, bytesRead, bytesWritten)
  }

  facts(nowMs: number, wanted: WantedFacts | null): CompactionFacts {
    const none: FamilyFacts = { compactions: 0, readBytes: 0, writtenBytes: 0 }
    const families = [FAMILY_LEVELED, FAMILY_SIZE_TIERED, FAMILY_WINDOW] as const
    return {
      byFamily: Object.fromEntries(
        families.map((family) => [FAMILY_NAMES[family], this.#byFamily.get(family) ?? none]),
      ),
      byReason: Object.fromEntries(this.#byReason),
      running: this.#running === null ? null : factsOf(this.#running, nowMs),
      wanted,
    }
  }

  #add({ inputs }: CompactionPick, compactions: number, readBytes: number, writtenBytes: number): void {
    const { family } = inputs[0]
    const before = this.#byFamily.get(family)
    this.#byFamily.set(family, {
      compactions: (before?.compactions ?? 0) + compactions,
      readBytes: (before?.readBytes ?? 0) + readBytes,
      writtenBytes: (before?.writtenBytes ?? 0) + writtenBytes,
    })
  }
}

function factsOf({ pick, startedMs, progress }: Running, nowMs: number): RunningCompaction {
  const { inputs, reason } = pick
  const inputBytes = totalBytes(inputs)
  return {
    family: FAMILY_NAMES[inputs[0].family],
    reason,
    tables: inputs.length,
    inputBytes,
    readBytes: Math.min(inputBytes, Atomics.load(progress, 0) * KIB),
    runsForMs: Math.round(nowMs - startedMs),
  }
}

/** What main.ts knows of a benchmark, and what a benchmark is told. */
import type { Report } from './measure/report.js'

export interface Benchmark {
  readonly name: string
  /** One line for the list. */
  readonly summary: string
  /** About how long it takes in full, in minutes. */
  readonly minutes: number
  /** Turns unless told, where the usual number would take too long. */
  readonly turns?: number
  run(options: BenchmarkOptions): Promise<Report>
}

export interface BenchmarkOptions {
  readonly turns: number
  /** For trying out: a tenth of the requests. */
  readonly quick: boolean
  /** Where servers put their data; on the disk to be measured. */
  readonly directory: string
  /** Folder of the prototypes, such as memory.js and quorum.js; null when there is none. */
  readonly prototypes: string | null
  /** Of `anti-entropy` and `beyond-memory`; null for its own number. */
  readonly keys: number | null
  /** Of `failover`; null for its own numbers. */
  readonly requestsPerSecond: number | null
  readonly absenceSeconds: number | null
  readonly fillMb: number | null
  /** Names of stories; all when empty. */
  readonly only: readonly string[]
}

/** A number of requests or keys, scaled down for --quick. */
export function scaled(count: number, { quick }: BenchmarkOptions): number {
  return quick ? Math.ceil(count / 10) : count
}

/**
 * What clients saw before, during and after the absence of a node: requests that failed, latencies, and the longest time
 * in which a client had no success although it asked all the time; that for all keys, and for those whose home went away.
 */
import { LatencyHistogram } from '../measure/statistics.js'

export const PHASES = ['before', 'absent', 'after'] as const
export type Phase = (typeof PHASES)[number]

/** An application would have given up. */
export const LATE_MS = 1000

export interface PhaseFigures {
  readonly requests: number
  readonly failed: number
  /** Successes that came later than LATE_MS. */
  readonly late: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface GroupFigures {
  readonly phases: Readonly<Record<Phase, PhaseFigures>>
  /** Since the node went, in milliseconds: the worst client's. */
  readonly longestGapMs: number
  /** The same of keys whose home it was. */
  readonly longestGapOfKeysMs: number
}

interface PhaseCounts {
  requests: number
  failed: number
  late: number
  readonly latencies: LatencyHistogram
}

/** Of clients that have one thing in common: being connected to the node that goes away, or not. */
export class FailoverTally {
  readonly #phases = new Map<Phase, PhaseCounts>(
    PHASES.map((phase) => [phase, { requests: 0, failed: 0, late: 0, latencies: new LatencyHistogram() }]),
  )
  /** By client. */
  readonly #gaps: ReadonlyMap<number, Gaps>

  /** `clients`: their numbers. */
  constructor(clients: readonly number[], nowMs: number) {
    const gap = (): Gap => ({ lastMs: nowMs, longestMs: 0 })
    this.#gaps = new Map(clients.map((client) => [client, { all: gap(), ofKeys: gap() }]))
  }

  get clients(): number {
    return this.#gaps.size
  }

  /** The node goes away: what counts for the longest gaps ends after now. */
  faultBegins(): void {
    for (const { all, ofKeys } of this.#gaps.values()) all.longestMs = ofKeys.longestMs = 0
  }

  /** `ofKeys`: of a key whose home goes away. */
  succeeded(client: number, phase: Phase, dueMs: number, nowMs: number, ofKeys: boolean): void {
    const counts = this.#counts(phase)
    counts.requests++
    if (nowMs - dueMs > LATE_MS) counts.late++
    counts.latencies.record(nowMs - dueMs, 1)
    const gaps = this.#gaps.get(client)
    if (gaps === undefined) throw new Error(`client ${client} is none of these`)
    endGap(gaps.all, nowMs)
    if (ofKeys) endGap(gaps.ofKeys, nowMs)
  }

  failed(phase: Phase): void {
    const counts = this.#counts(phase)
    counts.requests++
    counts.failed++
  }

  /** The load ended now. */
  figures(nowMs: number): GroupFigures {
    const longest = (kind: keyof Gaps): number => {
      const gaps = [...this.#gaps.values()].map((of) => of[kind])
      for (const gap of gaps) endGap(gap, nowMs)
      return gaps.reduce((most, { longestMs }) => Math.max(most, longestMs), 0)
    }
    const phases = PHASES.map((phase) => {
      const { latencies, ...counts } = this.#counts(phase)
      return [phase, { ...counts, p99Ms: latencies.percentileMs(0.99), maxMs: latencies.maxMs }]
    })
    return {
      phases: Object.fromEntries(phases) as Record<Phase, PhaseFigures>,
      longestGapMs: longest('all'),
      longestGapOfKeysMs: longest('ofKeys'),
    }
  }

  #counts(phase: Phase): PhaseCounts {
    return this.#phases.get(phase) as PhaseCounts
  }
}

interface Gaps {
  readonly all: Gap
  readonly ofKeys: Gap
}

interface Gap {
  lastMs: number
  longestMs: number
}

function endGap(gap: Gap, nowMs: number): void {
  gap.longestMs = Math.max(gap.longestMs, nowMs - gap.lastMs)
  gap.lastMs = nowMs
}

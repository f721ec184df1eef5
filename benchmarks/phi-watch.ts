/**
 * A failure detector that watches a peer for hours of virtual time, as a link does: fed by every pong, judged at each of them
 * and every tick between. Counts how often it holds the peer down, which lives all the time.
 */
import { PhiAccrual } from '../src/membership/phi-accrual.js'
import type { PhiAccrualOptions } from '../src/membership/phi-accrual.js'

const TICK_MS = 100

export interface Watch {
  /** How often the peer became down, and for how long altogether. */
  readonly falsePositives: number
  readonly downMs: number
  /** Silences after which a peer that dies would be down, one for each hour watched. */
  readonly detectionMs: readonly number[]
}

const HOUR_MS = 3_600_000

/** Watches a peer whose pongs come at `arrivals`, ascending, until `durationMs`. */
export function watchPeer(options: PhiAccrualOptions, arrivals: Iterable<number>, durationMs: number): Watch {
  const detector = new PhiAccrual(options, 0)
  let falsePositives = 0
  let downMs = 0
  let downSinceMs = -1
  let judgedMs = 0
  let nextHourMs = HOUR_MS
  const detectionMs: number[] = []
  for (const arrivedMs of arrivals) {
    for (; judgedMs < Math.min(arrivedMs, durationMs); judgedMs += TICK_MS) {
      if (downSinceMs !== -1 || detector.phi(judgedMs) < options.threshold) continue
      downSinceMs = judgedMs
      falsePositives++
    }
    if (arrivedMs >= durationMs) break
    detector.arrive(arrivedMs)
    if (downSinceMs !== -1) downMs += arrivedMs - downSinceMs
    downSinceMs = -1
    if (arrivedMs >= nextHourMs) {
      detectionMs.push(silenceUntilDown(detector, options.threshold))
      nextHourMs += HOUR_MS
    }
  }
  return { falsePositives, downMs, detectionMs }
}

function silenceUntilDown(detector: PhiAccrual, threshold: number): number {
  let silenceMs = 0
  while (detector.phi(detector.lastArrivalMs + silenceMs) < threshold) silenceMs += 10
  return silenceMs
}

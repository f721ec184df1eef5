/** Every checker that a run is judged by. */
import { conditional } from './conditional.js'
import { convergence } from './convergence.js'
import type { Checker, Evidence, Violation } from './evidence.js'
import { honestErrors } from './honest-errors.js'
import { resurrection } from './resurrection.js'
import { sessions } from './sessions.js'
import { siblings } from './siblings.js'
import { tidiness } from './tidiness.js'
import { writeOnce } from './write-once.js'

export const CHECKERS: readonly Checker[] = [
  writeOnce,
  siblings,
  sessions,
  resurrection,
  honestErrors,
  conditional,
  convergence,
  tidiness,
]

export function judged(evidence: Evidence): Violation[] {
  return CHECKERS.flatMap((checker) => checker.check(evidence))
}

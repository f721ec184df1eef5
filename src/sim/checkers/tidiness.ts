/**
 * Nodes leave nothing behind and find nothing strange: a node that was stopped has no timer, open file, connection or port left,
 * and no log has a line that tells of a bug.
 */
import type { Checker, Evidence, Violation } from './evidence.js'

const NAME = 'tidiness'

export const tidiness: Checker = {
  name: NAME,
  check({ leaks, complaints }: Evidence): Violation[] {
    return [...leaks, ...complaints].map((what) => ({ checker: NAME, key: '', what }))
  },
}

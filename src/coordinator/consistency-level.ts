/**
 * How many replicas a request waits for, by Cassandra's names. Numbers, because they stand in a session, in the settings
 * and in a byte of every forwarded request; they are never used again for something else.
 */

/** Of a session or a request: what the key's prefix or the settings say. */
export const LEVEL_DEFAULT = 0
export const LEVEL_ONE = 1
export const LEVEL_TWO = 2
export const LEVEL_QUORUM = 3
export const LEVEL_ALL = 4
/** The next three are for several datacenters; with one they are QUORUM, QUORUM and ONE. */
export const LEVEL_LOCAL_QUORUM = 5
export const LEVEL_EACH_QUORUM = 6
export const LEVEL_LOCAL_ONE = 7

/** By number; the first is no level of its own. */
const NAMES: readonly string[] = [
  'DEFAULT',
  'ONE',
  'TWO',
  'QUORUM',
  'ALL',
  'LOCAL_QUORUM',
  'EACH_QUORUM',
  'LOCAL_ONE',
]

/** The names that a user may give, for error texts. */
export const LEVEL_NAMES: readonly string[] = NAMES.slice(LEVEL_ONE)

/** The level of this name in any case; LEVEL_DEFAULT when there is none. */
export function levelNamed(name: string): number {
  return Math.max(LEVEL_DEFAULT, NAMES.indexOf(name.toUpperCase(), LEVEL_ONE))
}

export function levelName(level: number): string {
  return NAMES[level]
}

/** How many of `replicas` a level asks for: never more than there are, so that ALL and TWO work on one node. */
export function replicasAsked(level: number, replicas: number): number {
  switch (level) {
    case LEVEL_ONE:
    case LEVEL_LOCAL_ONE:
      return 1
    case LEVEL_TWO:
      return Math.min(2, replicas)
    case LEVEL_ALL:
      return replicas
    default:
      return Math.floor(replicas / 2) + 1
  }
}

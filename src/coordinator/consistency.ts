/**
 * Consistency levels: how many replicas of a key must agree before a request is answered. The numbers travel between nodes
 * and are never given another meaning.
 *
 * There are no datacenters yet, so the levels that name one mean the same as those that do not: a client library that
 * asks for LOCAL_QUORUM gets a quorum of all replicas.
 */
import { unreachable } from '../util/assert.js'

/** Where a level may be left open: what the key's prefix or the settings say. */
export const LEVEL_DEFAULT = 0
export const ONE = 1
export const TWO = 2
export const QUORUM = 3
export const ALL = 4
export const LOCAL_QUORUM = 5
export const EACH_QUORUM = 6
export const LOCAL_ONE = 7

export type Level =
  | typeof ONE
  | typeof TWO
  | typeof QUORUM
  | typeof ALL
  | typeof LOCAL_QUORUM
  | typeof EACH_QUORUM
  | typeof LOCAL_ONE

const NAMES: Readonly<Record<Level, string>> = {
  [ONE]: 'ONE',
  [TWO]: 'TWO',
  [QUORUM]: 'QUORUM',
  [ALL]: 'ALL',
  [LOCAL_QUORUM]: 'LOCAL_QUORUM',
  [EACH_QUORUM]: 'EACH_QUORUM',
  [LOCAL_ONE]: 'LOCAL_ONE',
}
const LEVELS = new Map(Object.entries(NAMES).map(([level, name]) => [name, Number(level) as Level]))

/** Every level's name, in the order of their numbers. */
export const LEVEL_NAMES: readonly string[] = Object.values(NAMES)

/** The level of this name in any case; undefined when there is none. */
export function parseLevel(name: string): Level | undefined {
  return LEVELS.get(name.toUpperCase())
}

/** Whether a number that came from another node is a level. */
export function isLevel(number: number): number is Level {
  return number >= ONE && number <= LOCAL_ONE
}

/** Its name in capitals. */
export function levelName(level: Level): string {
  return NAMES[level]
}

/** More than half of `replicas`. */
export function majority(replicas: number): number {
  return Math.floor(replicas / 2) + 1
}

/**
 * The level at which a conditional write is proposed, and what it is based on is read, where `level` is asked for: a majority
 * at least, so that no two are decided on one base (RULES V10).
 */
export function proposalLevel(level: Level, replicas: number): Level {
  return required(level, replicas) < majority(replicas) ? QUORUM : level
}

/** How many of `replicas` must agree; more than there are where the level cannot be met (TWO of one). */
export function required(level: Level, replicas: number): number {
  switch (level) {
    case ONE:
    case LOCAL_ONE:
      return 1
    case TWO:
      return 2
    case QUORUM:
    case LOCAL_QUORUM:
    case EACH_QUORUM:
      return majority(replicas)
    case ALL:
      return replicas
    default:
      return unreachable(level)
  }
}

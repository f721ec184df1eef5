/**
 * The values of a dump that are not strings. Kindred has no use for them, but has to find where they end: each type is a
 * few counts and strings, and what is packed into one string (ziplist, listpack, intset, zipmap) need not be understood.
 * Types by their numbers in Redis's own sources, up to those of Redis 7.4.
 */
import { RdbError } from './rdb-error.js'
import type { RdbInput } from './rdb-input.js'

export const STRING = 0
const STREAM_ID_BYTES = 16
const TIME_BYTES = 8
/** The first byte of a score that is not a number in digits: NaN and both infinities. */
const SCORE_WITHOUT_DIGITS = 253

type Skip = (input: RdbInput) => void

const times =
  (skip: Skip): Skip =>
  (input) => {
    for (let left = input.length(); left > 0; left--) skip(input)
  }
const inOrder =
  (...skips: readonly Skip[]): Skip =>
  (input) => {
    for (const skip of skips) skip(input)
  }
const bytes =
  (count: number): Skip =>
  (input) =>
    input.skip(count)
const string: Skip = (input) => input.skipString()
const number: Skip = (input) => void input.length()
const score: Skip = (input) => {
  const digits = input.u8()
  if (digits < SCORE_WITHOUT_DIGITS) input.skip(digits)
}

/** `version` 2 added where the stream begins and what groups have read, 3 when consumers were active. */
function stream(version: 1 | 2 | 3): Skip {
  const id = inOrder(number, number)
  const pending = times(bytes(STREAM_ID_BYTES))
  const seen = bytes(version === 3 ? 2 * TIME_BYTES : TIME_BYTES)
  const delivery = inOrder(bytes(STREAM_ID_BYTES + TIME_BYTES), number)
  const read = version === 1 ? inOrder() : number
  const group = inOrder(string, id, read, times(delivery), times(inOrder(string, seen, pending)))
  const extent = version === 1 ? inOrder(number, id) : inOrder(number, id, id, id, number)
  return inOrder(times(inOrder(string, string)), extent, times(group))
}

const MODULE_PARTS: readonly Skip[] = [inOrder(), number, number, bytes(4), bytes(8), string]

/** What a module has written: parts that say their own kind, up to kind 0. */
export function skipModule(input: RdbInput): void {
  input.length()
  for (;;) {
    const { offset } = input
    const kind = input.length()
    if (kind === 0) return
    const skip = MODULE_PARTS.at(kind)
    if (skip === undefined) throw new RdbError(offset, `no part of a module's value has the kind ${kind}`)
    skip(input)
  }
}

const TYPES = new Map<number, readonly [name: string, skip: Skip]>([
  [1, ['list', times(string)]],
  [2, ['set', times(string)]],
  [3, ['zset', times(inOrder(string, score))]],
  [4, ['hash', times(inOrder(string, string))]],
  [5, ['zset', times(inOrder(string, bytes(8)))]],
  [7, ['module type', skipModule]],
  [9, ['hash', string]],
  [10, ['list', string]],
  [11, ['set', string]],
  [12, ['zset', string]],
  [13, ['hash', string]],
  [14, ['list', times(string)]],
  [15, ['stream', stream(1)]],
  [16, ['hash', string]],
  [17, ['zset', string]],
  [18, ['list', times(inOrder(number, string))]],
  [19, ['stream', stream(2)]],
  [20, ['set', string]],
  [21, ['stream', stream(3)]],
  [24, ['hash', inOrder(bytes(TIME_BYTES), times(inOrder(number, string, string)))]],
  [25, ['hash', inOrder(bytes(TIME_BYTES), string)]],
])

/** Passes over a value of `type`, which is not a string; answers what TYPE would call it. `offset`: where the key began. */
export function skipValue(input: RdbInput, type: number, offset: number): string {
  const known = TYPES.get(type)
  if (known === undefined) throw new RdbError(offset, `values of type ${type} are not known`)
  const [name, skip] = known
  skip(input)
  return name
}

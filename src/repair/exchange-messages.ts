/**
 * What two replicas say to each other to find and mend what one has and the other lacks. All of it is asked by one side, the
 * *initiator*, as EXCHANGE (9) on its own link and answered as EXCHANGE_IS (6); the other side keeps no state between two
 * questions. Integers are little-endian, u53 takes eight bytes, `sized` is a length u32 and bytes.
 *
 *     EXCHANGE     request u32, what u8, body
 *     EXCHANGE_IS  request u32, status u8, body           a body only where status is DONE
 *
 * and the bodies, question and answer, by `what`:
 *
 *     1 VIEW    -                           how the other one sees the asker: isRemembered u8, identity;
 *                                           count u16, count x { range u16, P u53, places u8, places x S u53 }
 *     2 KNOW    identity                    -     remembered durably from now on
 *     3 BEGIN   count u16, count x          began u53, boot u53, sequence u53, count u16, count x
 *               { range u16, P u53 }        { range u16, state u8, P u53, low u32, high u32 }   the root above the higher P
 *     4 HOURS   range u16, cutoff u53       count u32, count x { hour u53, low u32, high u32, leaves u16 }
 *     5 NODES   range u16, hour u53,        n x { low u32, high u32 }       nodes [first, first + n) of the level of `count`
 *               count u16, first u16, n u16
 *     6 LIST    from u53, to u53,           to u53, count u32, count x { token u53, first u32, second u32 }
 *               cutoff u53                  keys with their digests (RULES V9), all those of [from, to]
 *     7 PULL    cutoff u53, count u16,      tokens u16, records sized...    whole records of the first so many tokens
 *               count x token u53
 *     8 PAGE    from u53, to u53,           to u53, records sized...        whole records of all keys of [from, to]
 *               cutoff u53
 *     9 PUSH    records sized...            -     merged here, and durable
 *    10 END     began u53, boot u53,        -     both sides note the exchange of these ranges as complete
 *               theirs u53, sequence u53,
 *               count u16, count x range u16
 *
 *     identity := directory sized, startCounter u53, boot u53
 *
 * The flush mark needs no field: links exchange it before anything else.
 */
import type { BodyReader } from './body.js'
import { BodyWriter } from './body.js'

/** Of EXCHANGE and EXCHANGE_IS, before the body. */
export const EXCHANGE_HEAD_BYTES = 5

export const VIEW = 1
export const KNOW = 2
export const BEGIN = 3
export const HOURS = 4
export const NODES = 5
export const LIST = 6
export const PULL = 7
export const PAGE = 8
export const PUSH = 9
export const END = 10

/** Status of an answer. */
export const DONE = 0
export const MALFORMED = 1
/** The log takes nothing, or the node stops. */
export const NO_ROOM = 2
/** What was asked for cannot be read here. */
export const UNREADABLE = 3
/** Begun before this node's last start, or with another ring. */
export const OUTDATED = 4
/** As many questions as are answered at a time are being answered. */
export const BUSY = 5
/** Trees of the range are not complete. */
export const NOT_READY = 6
/** Some of the records of a PUSH were not taken: a stamp too far ahead, another’s slot. */
export const REFUSED = 7

/** State of a range in the answer to BEGIN. */
export const RANGE_OK = 0
export const RANGE_STALE = 1
export const RANGE_NOT_READY = 2

/** Keys in an answer to LIST. */
export const LIST_KEYS_MAX = 2048
/** Tokens in a PULL. */
export const PULL_TOKENS_MAX = 1024
/** Records of an answer or a PUSH; one may go beyond it. */
export const RECORDS_BYTES_MAX = 128 * 1024

/** Who a node is, beyond its member id: another directory, or an older state of it, has another identity. */
export interface Identity {
  readonly directoryId: string
  /** One more at each start of the directory. */
  readonly startCounter: number
  /** Random, another one at each start. */
  readonly bootId: number
}

export interface RangeView {
  readonly range: number
  readonly horizonMs: number
  /** By place in the range's preference list: S of the answering node towards it, 0 for none and for itself. */
  readonly exchangedMs: readonly number[]
}

export interface View {
  /** What the answering node remembers of the asker; null where it has never heard of it. */
  readonly remembered: Identity | null
  readonly ranges: readonly RangeView[]
}

export interface Begun {
  /** By the answering node's clock, milliseconds since 1970. */
  readonly beganMs: number
  readonly bootId: number
  readonly sequence: number
  readonly ranges: readonly BegunRange[]
}

export interface BegunRange {
  readonly range: number
  readonly state: number
  readonly horizonMs: number
  readonly low: number
  readonly high: number
}

export interface KeyDigests {
  /** Everything in [from, next) is listed. */
  readonly next: number
  /** Ascending; of each the digest's halves. */
  readonly tokens: readonly number[]
  readonly digests: Uint32Array
}

export function writeIdentity(into: BodyWriter, { directoryId, startCounter, bootId }: Identity): BodyWriter {
  return into.text(directoryId).u53(startCounter).u53(bootId)
}

export function readIdentity(from: BodyReader): Identity {
  return { directoryId: from.text(), startCounter: from.u53(), bootId: from.u53() }
}

export function writeView({ remembered, ranges }: View): Buffer {
  const body = new BodyWriter().u8(remembered === null ? 0 : 1)
  writeIdentity(body, remembered ?? { directoryId: '', startCounter: 0, bootId: 0 }).u16(ranges.length)
  for (const { range, horizonMs, exchangedMs } of ranges) {
    body.u16(range).u53(horizonMs).u8(exchangedMs.length)
    for (const ms of exchangedMs) body.u53(ms)
  }
  return body.bytes
}

/** Null for a body that is none. */
export function readView(body: BodyReader): View | null {
  const isRemembered = body.u8() === 1
  const identity = readIdentity(body)
  const ranges: RangeView[] = []
  for (let left = body.u16(); left > 0 && body.hasAll; left--) {
    const range = body.u16()
    const horizonMs = body.u53()
    ranges.push({ range, horizonMs, exchangedMs: Array.from({ length: body.u8() }, () => body.u53()) })
  }
  return body.isSound ? { remembered: isRemembered ? identity : null, ranges } : null
}

export function writeBegun({ beganMs, bootId, sequence, ranges }: Begun): Buffer {
  const body = new BodyWriter().u53(beganMs).u53(bootId).u53(sequence).u16(ranges.length)
  for (const { range, state, horizonMs, low, high } of ranges) {
    body.u16(range).u8(state).u53(horizonMs).u32(low).u32(high)
  }
  return body.bytes
}

export function readBegun(body: BodyReader): Begun | null {
  const begun = { beganMs: body.u53(), bootId: body.u53(), sequence: body.u53() }
  const ranges: BegunRange[] = []
  for (let left = body.u16(); left > 0 && body.hasAll; left--) {
    const [range, state, horizonMs] = [body.u16(), body.u8(), body.u53()]
    ranges.push({ range, state, horizonMs, low: body.u32() | 0, high: body.u32() | 0 })
  }
  return body.isSound ? { ...begun, ranges } : null
}

export function writeDigests({ next, tokens, digests }: KeyDigests): Buffer {
  const body = new BodyWriter().u53(next - 1).u32(tokens.length)
  tokens.forEach((token, i) =>
    body
      .u53(token)
      .u32(digests[2 * i])
      .u32(digests[2 * i + 1]),
  )
  return body.bytes
}

export function readDigests(body: BodyReader): KeyDigests | null {
  const next = body.u53() + 1
  const count = body.u32()
  if (count * DIGEST_BYTES !== body.left) return null
  const tokens: number[] = []
  const digests = new Uint32Array(2 * count)
  for (let i = 0; i < count && body.hasAll; i++) {
    tokens.push(body.u53())
    digests[2 * i] = body.u32()
    digests[2 * i + 1] = body.u32()
  }
  const isAscending = tokens.every((token, i) => i === 0 || token >= tokens[i - 1])
  return body.isSound && isAscending ? { next, tokens, digests } : null
}

const DIGEST_BYTES = 16

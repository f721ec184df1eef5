/**
 * What clients did and were told. An operation is known by when it was sent and when its reply came, in virtual time, and by
 * whether its reply says that it was applied, that it was not, or neither.
 *
 * Values are unique in a run, so a read names the write that it saw. A command on many keys is one operation for each.
 */
import type { SimReply } from '../sim-client.js'

export type OperationKind =
  | 'set'
  | 'setnx'
  /** SET key value GET: answers what it replaced. */
  | 'swap'
  /** SET key value IFEQ seen[0] */
  | 'cas'
  | 'incr'
  | 'del'
  | 'get'
  /** KV.SIBLINGS key */
  | 'look'
  /** KV.SIBLINGS key RESOLVE context VALUE value, where the context came with the values `seen`. */
  | 'resolve'
  | 'expire'
  | 'persist'
  | 'flush'

export type OperationLevel = 'ONE' | 'QUORUM' | 'ALL'

export interface Operation {
  readonly id: number
  readonly kind: OperationKind
  /** What the key is used for: which checker looks at it. */
  readonly family: string
  readonly key: string
  /** What it writes; '' where nothing. */
  readonly value: string
  /** The values that it claims to replace. */
  readonly seen: readonly string[]
  /** 0 for none. */
  readonly ttlMs: number
  readonly level: OperationLevel
  /** Which client, on which of its connections, and where in what it sent at once. */
  readonly client: number
  readonly connection: number
  readonly place: number
  readonly node: string
  readonly startMs: number
  /** Infinity when its end is unknown. */
  endMs: number
  reply: SimReply
}

/** Errors that promise that nothing was applied, whatever happened. */
const REFUSED = /^-(NOREPLICAS|CLOCK|MOVED|CLUSTERDOWN)\b/
/** The same, where something is wrong with disks. */
const REFUSED_BY_DISK = /^-(MISCONF|OOM|CORRUPT)\b/
const REFUSED_STOPPING = /^-ERR the server is shutting down/
/** Limits of a key, and a context that a node with a slow clock does not believe. */
const REFUSED_CONTEXT = /^-ERR the (key has|context is)/
const UNKNOWN = /^-(UNCERTAIN|LOST)\b/

export function isError({ reply }: Operation): boolean {
  return typeof reply === 'string' && reply.startsWith('-')
}

/** The write certainly was not applied. */
export function isRefused(operation: Operation): boolean {
  return isError(operation) && !isUnknown(operation)
}

/** Nobody knows whether it was applied; it may still be. */
export function isUnknown({ reply }: Operation): boolean {
  return typeof reply === 'string' && UNKNOWN.test(reply)
}

export function isAcknowledged(operation: Operation): boolean {
  return !isError(operation)
}

/** Whether the error is one that this run may give. */
export function isExpectedError(
  { reply }: Operation,
  tolerates: { readonly disks: boolean; readonly clocks: boolean; readonly stops: boolean },
): boolean {
  if (typeof reply !== 'string' || !reply.startsWith('-')) return true
  if (REFUSED.test(reply) || UNKNOWN.test(reply)) return true
  if (REFUSED_BY_DISK.test(reply)) return tolerates.disks
  if (REFUSED_STOPPING.test(reply)) return tolerates.stops
  return REFUSED_CONTEXT.test(reply) && tolerates.clocks
}

/** Whether it certainly has changed the key. */
export function hasWritten(operation: Operation): boolean {
  const { kind, reply } = operation
  if (isError(operation)) return false
  switch (kind) {
    case 'set':
    case 'resolve':
    case 'cas':
    case 'flush':
      return reply === 'OK'
    case 'swap':
      return true
    case 'setnx':
    case 'incr':
    case 'del':
    case 'expire':
    case 'persist':
      return typeof reply === 'number' && reply > 0
    case 'get':
    case 'look':
      return false
  }
}

/** Whether it may have changed the key. */
export function mayHaveWritten(operation: Operation): boolean {
  const { kind } = operation
  if (kind === 'get' || kind === 'look') return false
  return isUnknown(operation) || hasWritten(operation)
}

/**
 * Whether one had ended before the other began, so that the other has to know of it. `stampMs`: two stamps that are nearer to
 * each other do not say which came first. In a pipeline, each request ends before the next.
 */
export function isBefore(one: Operation, other: Operation, stampMs: number): boolean {
  if (!isAcknowledged(one)) return false
  if (one.connection === other.connection && one.startMs === other.startMs) return one.place < other.place
  return one.endMs + stampMs < other.startMs
}

/** An operation for people. */
export function described(operation: Operation): string {
  const { id, client, kind, key, value, seen, ttlMs, level, node, startMs, endMs, reply } = operation
  const when = `${startMs.toFixed(1)}..${endMs === Infinity ? '?' : endMs.toFixed(1)}`
  const what = [
    kind,
    key,
    shortened(value),
    seen.length > 0 ? `seen[${seen.map((one) => shortened(one)).join(' ')}]` : '',
    ttlMs > 0 ? `ttl ${ttlMs}` : '',
    level === 'QUORUM' ? '' : level,
  ]
  const words = what.filter((word) => word !== '').join(' ')
  return `#${id} client ${client} @${node} ${when}: ${words} -> ${shownReply(reply)}`
}

const VALUE_CHARACTERS = 14
const REPLY_CHARACTERS = 200

/** Values begin with what they are known by. */
export function shortened(text: string, charactersMax = VALUE_CHARACTERS): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax)}…`
}

function shownReply(reply: SimReply): string {
  if (Array.isArray(reply)) return `[${reply.map((each: SimReply) => shownReply(each)).join(' ')}]`
  const text = String(reply)
  return shortened(text, text.startsWith('-') ? REPLY_CHARACTERS : VALUE_CHARACTERS)
}

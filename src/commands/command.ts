/**
 * One command as the server runs it: its row, and what the row implies worked out once, so that the request path only
 * reads fields. Redis's rules for what follows from what:
 *
 * - ACL categories: write -> @write; readonly -> @read; admin -> @admin and @dangerous; fast -> @fast, else @slow.
 * - first key, last key and step come from the key specifications: the lowest first, the highest last (negative counts
 *   as the end), the step of a single specification.
 */
import type { CommandStats } from './node-services.js'
import type { Handler } from './request.js'
import { LatencyHistogram } from './latency-histogram.js'
import type { CommandIndex } from './command-index.js'
import type { CommandRow, Effect, Split } from './table/command-row.js'

/** In the order in which COMMAND lists them. */
const FLAG_ORDER = [
  'write',
  'readonly',
  'denyoom',
  'admin',
  'pubsub',
  'noscript',
  'blocking',
  'loading',
  'stale',
  'skip_monitor',
  'skip_slowlog',
  'asking',
  'fast',
  'no_auth',
  'no_async_loading',
  'no_multi',
  'allow_busy',
]

/** All ACL categories, in Redis's order. */
export const CATEGORIES: readonly string[] = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
]

export class Command {
  readonly row: CommandRow
  /** 'get', or 'client|list' for a subcommand: the name in error texts and statistics. */
  readonly name: string
  /** The last word of the name, as bytes in lower case. */
  readonly word: Buffer
  readonly arity: number
  readonly isWrite: boolean
  readonly isReadOnly: boolean
  /** Of SET only without conditions: effectOf() in key-routing.ts knows. */
  readonly effect: Effect
  /** Null for commands of one key. */
  readonly split: Split | null
  /** Takes no longer for more data but that of one value: one in so many is timed. Redis's fast ones, and SET. */
  readonly isBrief: boolean
  readonly isAdmin: boolean
  /** May run before AUTH. */
  readonly needsNoAuth: boolean
  /** Refused between MULTI and EXEC. */
  readonly refusedInMulti: boolean
  readonly skipsSlowlog: boolean
  readonly flags: readonly string[]
  readonly categories: readonly string[]
  /** Argument numbers of the keys; firstKey 0 means that there are none, a negative lastKey counts from the end. */
  readonly firstKey: number
  readonly lastKey: number
  readonly keyStep: number
  readonly handler: Handler
  readonly stats: CommandStats
  /** Not null for a container: what its second word may be. */
  readonly subcommands: CommandIndex | null

  constructor(
    row: CommandRow,
    name: string,
    handler: Handler,
    subcommands: CommandIndex | null,
    stats: CommandStats = newStats(),
  ) {
    this.row = row
    this.name = name
    this.word = Buffer.from(row.name)
    this.arity = row.arity
    this.handler = handler
    this.subcommands = subcommands
    this.stats = stats
    const flags = new Set(words(row.flags))
    this.flags = FLAG_ORDER.filter((flag) => flags.has(flag))
    this.isWrite = flags.has('write')
    this.isReadOnly = flags.has('readonly')
    this.effect = row.effect
    this.split = row.split ?? null
    this.isBrief = flags.has('fast') || row.name === 'set'
    this.isAdmin = flags.has('admin')
    this.needsNoAuth = flags.has('no_auth')
    this.refusedInMulti = flags.has('no_multi')
    this.skipsSlowlog = flags.has('skip_slowlog')
    this.categories = categoriesOf(row, flags)
    const range = keyRange(row)
    this.firstKey = range.first
    this.lastKey = range.last
    this.keyStep = range.step
  }
}

/** Whether a request of `argc` arguments, all names included, fits the command. */
export function arityFits(command: Command, argc: number): boolean {
  return command.arity >= 0 ? argc === command.arity : argc >= -command.arity
}

/** The single words of a row's field; none for ''. */
export function words(text: string): string[] {
  return text === '' ? [] : text.split(' ')
}

function newStats(): CommandStats {
  return { calls: 0, microseconds: 0, rejectedCalls: 0, failedCalls: 0, latency: new LatencyHistogram() }
}

function categoriesOf(row: CommandRow, flags: ReadonlySet<string>): readonly string[] {
  const named = new Set(words(row.categories))
  if (flags.has('write')) named.add('write')
  if (flags.has('readonly')) named.add('read')
  if (flags.has('admin')) named.add('admin').add('dangerous')
  named.add(flags.has('fast') ? 'fast' : 'slow')
  return CATEGORIES.filter((category) => named.has(category))
}

function keyRange(row: CommandRow): { first: number; last: number; step: number } {
  const specs = row.keys ?? []
  if (specs.length === 0) return { first: 0, last: 0, step: 0 }
  const first = Math.min(...specs.map((spec) => spec.first))
  const lasts = specs.map((spec) => ((spec.last ?? 0) < 0 ? (spec.last ?? 0) : spec.first + (spec.last ?? 0)))
  const last = lasts.find((position) => position < 0) ?? Math.max(...lasts)
  return { first, last, step: specs.length === 1 ? (specs[0].step ?? 1) : 1 }
}

/**
 * What clients did and were told, and what that allows. An operation is known by when it was sent and when its reply came; a
 * write that was not acknowledged may take effect at any time, unless its error says that nothing was applied.
 *
 * Values are unique, so a read names the write that it saw. With R + W > N and good clocks:
 *
 *     no phantoms     what is read was written, by a write that was not refused
 *     nothing lost    a read that begins after a write was acknowledged sees it, or one that is not older
 *     no way back     of two reads of one client, or of any one after the other, the later sees nothing older
 *     counters        no two acknowledged increments answer the same; the end lies between the acknowledged and the attempted
 *
 * An increment whose outcome is unknown may be one that a home, cut off, has added to an old number. It surfaces as a sibling, and
 * may win (RULES V10: a partial loser). So the first half of the last line holds for counters without one, up to the first.
 */
import type { SimReply } from '../../src/sim/sim-client.js'

export type OperationKind = 'set' | 'setnx' | 'del' | 'get' | 'incr'

export interface ClientOperation {
  readonly kind: OperationKind
  readonly key: string
  /** What it writes. */
  readonly value: string
  readonly client: number
  readonly startMs: number
  /** Infinity when its end is unknown. */
  endMs: number
  reply: SimReply
}

/** Two stamps of one millisecond do not say which came first. */
const STAMP_MS = 2

/** The write certainly was not applied. */
export function isRefused({ reply }: ClientOperation): boolean {
  return typeof reply === 'string' && /^-(NOREPLICAS|CLOCK)/.test(reply)
}

export function isUnknown({ reply }: ClientOperation): boolean {
  return typeof reply === 'string' && /^-(UNCERTAIN|LOST)/.test(reply)
}

export function isAcknowledged(operation: ClientOperation): boolean {
  return !isRefused(operation) && !isUnknown(operation)
}

/** Whether it certainly has changed the key. */
function hasWritten(operation: ClientOperation): boolean {
  const { kind, reply } = operation
  if (kind === 'set') return reply === 'OK'
  return kind !== 'get' && typeof reply === 'number' && reply > 0
}

/** Whether it may have changed the key. */
function mayHaveWritten(operation: ClientOperation): boolean {
  return operation.kind !== 'get' && (isUnknown(operation) || hasWritten(operation))
}

function isBefore(one: ClientOperation, other: ClientOperation): boolean {
  return (isAcknowledged(one) ? one.endMs : Infinity) + STAMP_MS < other.startMs
}

/** What is wrong with the history of a key that is not a counter; empty when nothing is. */
export function problemsOfRegister(operations: readonly ClientOperation[]): string[] {
  const problems: string[] = []
  const writes = operations.filter(mayHaveWritten)
  const byValue = new Map(
    writes.filter(({ kind }) => kind !== 'del').map((write) => [write.value, write] as const),
  )
  const certain = writes.filter(hasWritten)
  const reads = operations.filter((one) => one.kind === 'get' && isAcknowledged(one))
  for (const read of reads) {
    const seen = read.reply === null ? null : byValue.get(String(read.reply))
    if (seen === undefined) {
      problems.push(`phantom: ${described(read)}`)
      continue
    }
    if (seen !== null && seen.startMs > read.endMs) problems.push(`from the future: ${described(read)}`)
    for (const write of certain) {
      if (isBefore(write, read) && isOlder(seen, write, writes)) {
        problems.push(`stale: ${described(read)} after ${described(write)}`)
      }
    }
    for (const earlier of reads) {
      if (earlier.reply === null || !isBefore(earlier, read)) continue
      const before = byValue.get(String(earlier.reply))
      if (before !== undefined && isOlder(seen, before, writes)) {
        problems.push(`backwards: ${described(read)} after ${described(earlier)}`)
      }
    }
  }
  return problems
}

/** Whether what a read saw, null for no value, is certainly older than `write`. */
function isOlder(
  seen: ClientOperation | null,
  write: ClientOperation,
  writes: readonly ClientOperation[],
): boolean {
  if (seen !== null) return isBefore(seen, write)
  if (write.kind === 'del') return false
  return !writes.some((other) => other.kind === 'del' && !isBefore(other, write))
}

/** What is wrong with the history of a counter that ended as `end`. */
export function problemsOfCounter(operations: readonly ClientOperation[], end: number): string[] {
  const problems: string[] = []
  const increments = operations.filter((one) => one.kind === 'incr' && !isRefused(one))
  const unknown = increments.filter(isUnknown)
  const certainUntilMs = Math.min(...unknown.map(({ startMs }) => startMs))
  const acknowledged = increments.filter((one) => isAcknowledged(one) && one.endMs < certainUntilMs)
  const answers = new Map<SimReply, ClientOperation>()
  for (const one of acknowledged) {
    const twin = answers.get(one.reply)
    if (twin !== undefined) problems.push(`twice: ${described(one)} and ${described(twin)}`)
    answers.set(one.reply, one)
  }
  const counts = `of ${acknowledged.length} acknowledged and ${increments.length} attempted increments`
  if (unknown.length === 0 && end < acknowledged.length) problems.push(`lost: the end is ${end} ${counts}`)
  if (end > increments.length) problems.push(`too many: the end is ${end} ${counts}`)
  return problems
}

export function described({ kind, key, value, client, startMs, endMs, reply }: ClientOperation): string {
  const when = `${startMs.toFixed(1)}..${endMs.toFixed(1)}`
  return `${client}: ${kind} ${key} ${value} -> ${JSON.stringify(reply)} at ${when}`
}

/**
 * What a run leaves for its checkers: what clients were told, what is on the disks in the end, and what was noticed on the way.
 * A checker is a pure function of it, so that each can be shown a history which it has to complain about.
 */
import type { Operation } from '../run/history.js'
import type { StoreDump } from '../run/store-dump.js'

export interface Evidence {
  /** In the order in which they began. */
  readonly operations: readonly Operation[]
  /** Of every node, after everything was healed and has converged as far as it does. */
  readonly stores: readonly StoreDump[]
  /** Names of the nodes of a key's preference list. */
  readonly replicasOf: (key: string) => readonly string[]
  /** How far clocks may be apart in this run, in milliseconds: what is nearer has no order. */
  readonly stampMs: number
  /** What went wrong in this run besides nodes and links. */
  readonly disksFailed: boolean
  readonly clocksWrong: boolean
  readonly nodesStopped: boolean
  /**
   * Nodes that are no replicas hold copies for some, which count: then a quorum read may miss a write until they have been handed
   * over, and only the end has to have everything.
   */
  readonly isSloppy: boolean
  /** Operations that were answered while one clock was wrong and some node could not know which: see ClockWatch. */
  readonly timeless: ReadonlySet<Operation>
  /** What the nodes' logs have that must never be there. */
  readonly complaints: readonly string[]
  /** What nodes did not give back when they were stopped. */
  readonly leaks: readonly string[]
  /** Why the liveness phase did not come to its end; empty when it did. */
  readonly stuck: readonly string[]
}

export interface Violation {
  readonly checker: string
  /** '' where it is about none. */
  readonly key: string
  readonly what: string
}

export interface Checker {
  readonly name: string
  check(evidence: Evidence): Violation[]
}

/** The operations on each key of a family, in the order in which they began. */
export function byKey(evidence: Evidence, family: string): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>()
  for (const operation of evidence.operations) {
    if (operation.family !== family) continue
    const known = keys.get(operation.key)
    if (known === undefined) keys.set(operation.key, [operation])
    else known.push(operation)
  }
  return keys
}

/** FLUSHALLs that may have happened, at any time since they were sent. */
export function flushesOf(evidence: Evidence): Operation[] {
  return evidence.operations.filter(({ kind, reply }) => kind === 'flush' && !isRefusedFlush(reply))
}

/** Whether a FLUSHALL may have taken what this wrote. */
export function mayBeFlushed(write: Operation, flushes: readonly Operation[], stampMs: number): boolean {
  return flushes.some((flush) => {
    const endMs = typeof flush.reply === 'string' && flush.reply === 'OK' ? flush.endMs : Infinity
    return endMs + stampMs >= write.startMs
  })
}

/** The values of live siblings that a node's store holds of a key. */
export function liveValues(dump: StoreDump, key: string, nowMs: number): string[] {
  const held = dump.records.get(key)
  if (held === undefined) return []
  return held.siblings
    .filter(({ isValue, expireAtMs }) => isValue && (expireAtMs === 0 || expireAtMs > nowMs))
    .map(({ value }) => value)
}

function isRefusedFlush(reply: unknown): boolean {
  return typeof reply === 'string' && reply.startsWith('-') && !/^-(UNCERTAIN|LOST)/.test(reply)
}

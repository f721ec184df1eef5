/**
 * A replica's half of a scan over the cluster: a page of what its own store knows, in one bounded step on the event loop.
 * What the step misses in memory is told to the caller, who loads it and asks again, as in any walk.
 */
import {
  contextActor,
  contextCount,
  contextHlc,
  contextStart,
  keyLength,
  keyStart,
  siblingActorIndex,
  siblingCount,
  siblingHlc,
  siblingsStart,
} from '../record/layout.js'
import { winnerIsLive } from '../record/death.js'
import { KeyHash } from '../ring/token.js'
import type { TokenRange } from '../ring/slot-range.js'
import { entrySequence } from '../storage/entry.js'
import type { ColdVisitor } from '../storage/key-walk.js'
import type { Store } from '../storage/store.js'
import { ScanPageWriter } from './scan-page.js'

/** Keys of a page, dead ones included, whatever is asked for: reading them is one piece of work on the event loop. */
export const PAGE_KEYS_MAX = 1000

export interface LocalPage {
  readonly bytes: Buffer
  /** Sequence of the newest entry that the page shows: it may leave once the store is durable that far (RULES R2). */
  readonly needSequence: number
}

/**
 * About `count` keys, dead ones included, from `range.start` on and before `range.end`; fewer where they are long. Null
 * when blocks are missing, which `cold` has been told.
 */
export function localScanPage(
  store: Store,
  nowMs: number,
  range: TokenRange,
  count: number,
  cold: ColdVisitor,
): LocalPage | null {
  const page = new ScanPageWriter()
  const hash = new KeyHash()
  const keys = Math.min(Math.max(1, count), PAGE_KEYS_MAX)
  const { flushMark } = store
  let needSequence = store.flushMarkSequence
  const visit = (bytes: Buffer, record: number): boolean => {
    if (page.isFull) return true
    const start = keyStart(record)
    const end = start + keyLength(bytes, record)
    hash.of(bytes, start, end)
    const isLive = winnerIsLive(bytes, record, nowMs, flushMark)
    const dot = newestDot(bytes, record)
    page.add(hash.token, bytes, start, end, isLive, dot.hlc, dot.actor)
    needSequence = Math.max(needSequence, entrySequence(bytes, record))
    return true
  }
  const next = store.walk(range.start, { visits: keys, entries: keys, end: range.end }, visit, cold)
  return next === -1 ? null : { bytes: page.finish(next, flushMark), needSequence }
}

/** The winner's dot; that of the newest write the record has seen where none of its siblings is left. */
function newestDot(bytes: Buffer, record: number): { readonly hlc: number; readonly actor: number } {
  const contextAt = contextStart(bytes, record)
  if (siblingCount(bytes, record) > 0) {
    const winner = siblingsStart(bytes, record)
    const actor = contextActor(bytes, contextAt, siblingActorIndex(bytes, winner))
    return { hlc: siblingHlc(bytes, winner), actor }
  }
  let newest = { hlc: 0, actor: 0 }
  for (let i = 0; i < contextCount(bytes, record); i++) {
    const hlc = contextHlc(bytes, contextAt, i)
    if (hlc >= newest.hlc) newest = { hlc, actor: contextActor(bytes, contextAt, i) }
  }
  return newest
}

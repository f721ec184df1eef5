/**
 * One step of a scan over a cluster: the pages that R replicas gave for the same stretch become one (RULES R4). What lies
 * below the smallest `next` is complete in all of them; the rest is left for the next step, which may ask others. Of a
 * key that several pages mention the newest winner decides, by (HLC, actor) as in a merge of the records: its sibling is
 * one that no other record can have covered, since whatever covers a dot is newer. A key that only one page mentions is
 * decided by that page.
 *
 * So a key that is live on a quorum throughout the scan is shown exactly once, and one that was deleted on a quorum before
 * it began is not shown, when R and the quorum overlap. Where the same dot is live on one page and dead on another it has
 * expired, or FLUSHALL has passed, by one of them: both only ever go that way, so it is dead.
 */
import { assert } from '../util/assert.js'
import { compareBytes } from '../util/bytes.js'
import type { KeyVisitor } from './keyspace.js'
import type { ScanPage } from './scan-page.js'

/**
 * Visits the live keys in the order of (token, key bytes); a key's bytes are only valid during the call. Answers the
 * token to go on from: where the last of the pages' stretches ends, at the most. `pages`: at least one, of the same
 * stretch; none has been advanced yet.
 */
export function mergeScanPages(pages: readonly ScanPage[], visit: KeyVisitor): number {
  assert(pages.length > 0, 'a scan step has asked somebody')
  const next = Math.min(...pages.map((page) => page.next))
  const flushMark = Math.max(...pages.map((page) => page.flushMark))
  let rest = pages.filter((page) => page.advance())
  for (;;) {
    const newest = newestOfFirstKey(rest)
    if (newest === null || newest.token >= next) return next
    if (newest.isLive && newest.hlc > flushMark) visit(newest.bytes, newest.keyStart, newest.keyEnd)
    rest = rest.filter((page) => page === newest || compareKeys(page, newest) !== 0 || page.advance())
    if (!newest.advance()) rest = rest.filter((page) => page !== newest)
  }
}

/** Of the pages that stand on the smallest (token, key) the one whose winner decides; null when there is none. */
function newestOfFirstKey(pages: readonly ScanPage[]): ScanPage | null {
  let best: ScanPage | null = null
  for (const page of pages) {
    const order = best === null ? -1 : compareKeys(page, best)
    if (best === null || order < 0 || (order === 0 && decidesOver(page, best))) best = page
  }
  return best
}

/** The current entries are of the same key: whether that of `a` is newer, or the same and known to be dead. */
function decidesOver(a: ScanPage, b: ScanPage): boolean {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc
  if (a.actor !== b.actor) return a.actor > b.actor
  return !a.isLive
}

function compareKeys(a: ScanPage, b: ScanPage): number {
  if (a.token !== b.token) return a.token - b.token
  return compareBytes(a.bytes, a.keyStart, a.keyEnd, b.bytes, b.keyStart, b.keyEnd)
}

/**
 * Merging two records of one key: what makes replicas converge whatever the order in which writes reach them. Under the
 * policy `siblings` this is the join of dotted version vectors (RULES V1): contexts by pointwise maximum, and a sibling
 * stays if both sides have it or the other side's context does not cover its dot, that is, the other side has never seen
 * it. Under `lww` the highest (HLC, actor) of both sides stays alone and the contexts are joined all the same (RULES V5);
 * merging first and taking the maximum afterwards is not associative, because the merge may drop the later dot's rival
 * on one path and not on the other.
 *
 * Both are commutative and associative for arbitrary records, and idempotent. A sibling at or below the flush mark is
 * left out dot by dot (RULES P4): that commutes with the join, whereas flushing whole records would not.
 *
 * One dot has one content for ever (RULES V1). Two contents for one dot are corruption, on a disk or in a program: they
 * are reported in the result, and every replica keeps the same one, that of the larger checksum.
 *
 * Merging never refuses (RULES V8). Cutting by the purge horizon is no part of it: normalise both sides first.
 *
 * Source: Preguiça et al., "Dotted Version Vectors", 2012; Bieniusa et al., "An Optimized Conflict-free Replicated Set".
 */
import { assert } from '../util/assert.js'
import { compareBytes } from '../util/bytes.js'
import type { RecordValue, Sibling } from './record.js'
import { compareDots, coversDot, joinVectors, type Dot } from './version-vector.js'

/** What concurrent writes of a key become. */
export type MergePolicy = 'siblings' | 'lww'

export interface Merged {
  readonly record: RecordValue
  /** Dots that came with two different contents: corruption, to be reported. */
  readonly corruptDots: readonly Dot[]
}

/** Merges two records of the same key; siblings at or below `flushMark` (an HLC, 0 for none) are left out. */
export function mergeRecords(a: RecordValue, b: RecordValue, policy: MergePolicy, flushMark = 0): Merged {
  assert(compareBytes(a.key, 0, a.key.length, b.key, 0, b.key.length) === 0, 'only records of one key merge')
  const corruptDots: Dot[] = []
  const siblings: Sibling[] = []
  for (const sibling of a.siblings) {
    const twin = siblingOf(b, sibling)
    if (twin !== undefined) siblings.push(soundOf(sibling, twin, corruptDots))
    else if (policy === 'lww' || !coversDot(b.context, sibling)) siblings.push(sibling)
  }
  for (const sibling of b.siblings) {
    if (siblingOf(a, sibling) !== undefined) continue
    if (policy === 'lww' || !coversDot(a.context, sibling)) siblings.push(sibling)
  }
  const record = { key: a.key, context: joinVectors(a.context, b.context), siblings: rank(siblings) }
  return { record: applyPolicy(flush(record, flushMark), policy), corruptDots }
}

/** The record as its policy wants it: with `lww`, only the winner stays. */
export function applyPolicy(record: RecordValue, policy: MergePolicy): RecordValue {
  if (policy === 'siblings' || record.siblings.length <= 1) return record
  return { ...record, siblings: record.siblings.slice(0, 1) }
}

/** Leaves out the siblings at or below the flush mark (an HLC, 0 for none). */
export function flush(record: RecordValue, flushMark: number): RecordValue {
  const siblings = record.siblings.filter((sibling) => sibling.hlc > flushMark)
  return siblings.length === record.siblings.length ? record : { ...record, siblings }
}

/** Brings siblings into canonical order: descending by (hlc, actor). */
export function rank(siblings: readonly Sibling[]): readonly Sibling[] {
  return siblings.toSorted((a, b) => compareDots(b, a))
}

function siblingOf(record: RecordValue, dot: Dot): Sibling | undefined {
  return record.siblings.find((sibling) => compareDots(sibling, dot) === 0)
}

/** The one content of a dot that both sides hold. */
function soundOf(a: Sibling, b: Sibling, corruptDots: Dot[]): Sibling {
  const order = compareContents(a, b)
  if (order !== 0) corruptDots.push({ actor: a.actor, hlc: a.hlc })
  return order >= 0 ? a : b
}

/** A total order of contents, by checksum first, so that every replica keeps the same one. */
function compareContents(a: Sibling, b: Sibling): number {
  return (
    a.valueChecksum - b.valueChecksum ||
    a.kind - b.kind ||
    a.expireAtMs - b.expireAtMs ||
    compareBytes(a.value, 0, a.value.length, b.value, 0, b.value.length)
  )
}

/**
 * Flushed segments that stay in memory until a new segment needs it: they are the cache of the tables that they became. A
 * probe of their index, which prefetching covers, replaces filter, index and block search in tables that were written
 * a moment ago, no block of which is in memory yet; and those tables need not be asked at all, because a segment
 * has every key of its tables.
 *
 * Invariant: without gaps. What is younger than a retained segment is in memory too (retained, sealed or active), so a hit in
 * the youngest one that has the key is the newest entry. Hence the oldest goes first, and all go when a younger one
 * does not stay. Nothing but lookups of keys takes notice of them: walks, counts and what compactions may drop (RULES T4) go by
 * the tables.
 */
import { assert } from '../util/assert.js'
import type { Segment } from './log/segment.js'
import type { Table } from './table/table.js'

export interface RetainedSegment {
  readonly segment: Segment
  /** What it was flushed to; some of them may have been compacted away since. */
  readonly tables: readonly Table[]
}

export class RetainedSegments {
  /** Youngest first. */
  #all: readonly RetainedSegment[] = []
  #segments: readonly Segment[] = []
  #tables: ReadonlySet<Table> = new Set()

  get count(): number {
    return this.#all.length
  }

  /** Youngest first. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** The tables for which they answer. */
  get tables(): ReadonlySet<Table> {
    return this.#tables
  }

  /** The next that goes. */
  get oldest(): RetainedSegment | undefined {
    return this.#all.at(-1)
  }

  /** The segment that has just been flushed, the youngest of all that are. */
  add(segment: Segment, tables: readonly Table[]): void {
    assert(segment.sealed, 'a segment is flushed when nothing is appended any more')
    this.#set([{ segment, tables }, ...this.#all])
  }

  removeOldest(): void {
    this.#set(this.#all.slice(0, -1))
  }

  clear(): void {
    this.#set([])
  }

  #set(all: readonly RetainedSegment[]): void {
    this.#all = all
    this.#segments = all.map(({ segment }) => segment)
    this.#tables = new Set(all.flatMap(({ tables }) => tables))
  }
}

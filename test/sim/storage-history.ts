/**
 * What a keyspace must hold, from the order of its writes alone. The log is one sequence of writes, and whatever happens
 * to a machine leaves a prefix of it: so after a start the history is cut where the engine says its data end, and from
 * then on every key must hold exactly what the last write to it before the cut put there. That catches lost, invented,
 * resurrected, half applied and reordered writes alike; how long the prefix must be is for the test to say.
 */
import type { Shown } from './storage-machine.js'

export interface Change {
  readonly key: string
  /** Null deletes. */
  readonly value: string | null
  /** 0 for never. */
  readonly expireAtMs: number
}

interface Write {
  /** Sequences of its first and its last entry: a write of several keys is there whole or not at all. */
  readonly first: number
  readonly last: number
  /** Null removes everything. */
  readonly changes: readonly Change[] | null
}

export class History {
  #writes: Write[] = []
  /** By key: the newest change, and its sequence. */
  #newest = new Map<string, { change: Change; sequence: number }>()
  /** By key: the change that the last FLUSHALL hides, and the sequence of that. */
  #hidden = new Map<string, { change: Change; sequence: number }>()

  get writes(): number {
    return this.#writes.length
  }

  /** Every key that was ever written since the last FLUSHALL. */
  get keys(): readonly string[] {
    return [...this.#newest.keys()]
  }

  clone(): History {
    const copy = new History()
    for (const write of this.#writes) copy.#apply(write)
    return copy
  }

  /** The changes had sequences `first` and following. */
  wrote(first: number, changes: readonly Change[]): void {
    this.#apply({ first, last: first + changes.length - 1, changes })
  }

  flushed(sequence: number): void {
    this.#apply({ first: sequence, last: sequence, changes: null })
  }

  #apply(write: Write): void {
    this.#writes.push(write)
    if (write.changes === null) {
      for (const [key, { change }] of this.#newest) this.#hidden.set(key, { change, sequence: write.last })
      this.#newest.clear()
      return
    }
    write.changes.forEach((change, index) => {
      this.#newest.set(change.key, { change, sequence: write.first + index })
    })
  }

  /** Forgets the writes above `sequence`; says what is wrong when that divides one. */
  cut(sequence: number): string | null {
    const kept = this.#writes.filter((write) => write.last <= sequence)
    const divided = this.#writes.find((write) => write.first <= sequence && write.last > sequence)
    this.#writes = []
    this.#newest.clear()
    this.#hidden.clear()
    for (const write of kept) this.#apply(write)
    if (divided === undefined) return null
    return `the write of sequences ${divided.first} to ${divided.last} is divided at ${sequence}`
  }

  /** What a read of the key must show at `nowMs`. */
  at(key: string, nowMs: number): Shown | null {
    return shownOf(this.#newest.get(key)?.change, nowMs)
  }

  /** The sequence on which the answer about the key depends; 0 for none. */
  sequenceOf(key: string, nowMs: number): number {
    const newest = this.#newest.get(key)
    if (newest !== undefined) return newest.sequence
    const hidden = this.#hidden.get(key)
    return shownOf(hidden?.change, nowMs) === null ? 0 : (hidden?.sequence ?? 0)
  }

  /** All keys that must be alive. */
  live(nowMs: number): Map<string, Shown> {
    const live = new Map<string, Shown>()
    for (const key of this.#newest.keys()) {
      const shown = this.at(key, nowMs)
      if (shown !== null) live.set(key, shown)
    }
    return live
  }

  /** How many changes die within the second of `nowMs`: by so much a count of keys may be off. */
  dyingThisSecond(nowMs: number): number {
    const second = Math.floor(nowMs / 1000)
    let dying = 0
    for (const { changes } of this.#writes) {
      for (const { expireAtMs } of changes ?? []) {
        if (expireAtMs !== 0 && Math.floor(expireAtMs / 1000) === second) dying++
      }
    }
    return dying
  }

  /** The last sequence, 0 when there is none. */
  get sequence(): number {
    return this.#writes.at(-1)?.last ?? 0
  }

  /** The last sequence at or below `sequence` that is still a write's: those of lost ones are never used again. */
  lastUpTo(sequence: number): number {
    return this.#writes.findLast(({ last }) => last <= sequence)?.last ?? 0
  }
}

function shownOf(change: Change | undefined, nowMs: number): Shown | null {
  if (change === undefined || change.value === null) return null
  if (change.expireAtMs !== 0 && change.expireAtMs <= nowMs) return null
  return { value: change.value, expireAtMs: change.expireAtMs }
}

/**
 * What differs between what a scan has shown and what must be there, in words; null when nothing does. Keys may have
 * expired while it went on: `before` is what was alive when it began, `after` what still is.
 */
export function difference(
  shown: ReadonlyMap<string, Shown>,
  before: ReadonlyMap<string, Shown>,
  after: ReadonlyMap<string, Shown>,
): string | null {
  for (const [key, { value, expireAtMs }] of after) {
    const found = shown.get(key)
    if (found === undefined) return `${key} is missing: it holds ${brief(value)} until ${expireAtMs}`
    if (found.value !== value) return `${key} shows ${brief(found.value)} instead of ${brief(value)}`
    if (found.expireAtMs !== expireAtMs)
      return `${key} expires at ${found.expireAtMs} instead of ${expireAtMs}`
  }
  for (const [key, { value }] of shown) {
    if (before.get(key)?.value !== value) return `${key} shows ${brief(value)}, but must be gone`
  }
  return null
}

function brief(value: string): string {
  return value.length > 40 ? `${value.slice(0, 40)}… (${value.length})` : value
}

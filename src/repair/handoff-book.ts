/**
 * What a node holds for each of the others, in numbers, over the handoff store: every write and removal goes through here, so that
 * INFO, pings and caps know counts and bytes without a look at the disk. The oldest entry needs no bookkeeping: it is the
 * first of its kind and target.
 *
 * Counts are exact, for whoever believes that nothing is held stops looking: an entry counts once, however often it is written, and
 * goes once. So each call looks whether the key is there, or is on its way in or out.
 */
import {
  COPY,
  KINDS,
  firstKey,
  hlcOf,
  keyBehind,
  kindOf,
  lastKey,
  targetIdOf,
  targetOf,
} from './handoff-entry.js'
import type { HandoffKind } from './handoff-entry.js'
import type { HandoffEntry, HandoffStore, HandoffWrite } from './handoff-store.js'

/** Entries that are read, or removed, in one step. */
const STEP_ENTRIES = 4096
const STEP_BYTES = 4 * 1024 * 1024

/** Why an entry went without its target having taken it. */
export type Loss =
  /** Known on W replicas: too old, or the cap was reached. */
  | 'dropped'
  /** It may have been the record's last copy beyond fewer than W. */
  | 'possible'

export interface HandoffCounts {
  hints: number
  hintBytes: number
  copies: number
  copyBytes: number
  /** Since the start. */
  dropped: number
  possibleLosses: number
  delivered: number
}

function noCounts(): HandoffCounts {
  return {
    hints: 0,
    hintBytes: 0,
    copies: 0,
    copyBytes: 0,
    dropped: 0,
    possibleLosses: 0,
    delivered: 0,
  }
}

export class HandoffBook {
  readonly #store: HandoffStore
  readonly #byTarget = new Map<string, HandoffCounts>()
  /** Keys, as text, that are being written or removed. */
  readonly #moving = new Map<string, 'in' | 'out'>()
  /** The highest stamp that was found when it was opened (RULES V4, V6). */
  maxHlc = 0
  /** The disk's error of the last write; null when it went well. */
  failure: Error | null = null

  constructor(store: HandoffStore) {
    this.#store = store
    this.#load()
  }

  /** Counts what an earlier run has left. */
  #load(): void {
    let from = Buffer.alloc(1)
    const end = Buffer.alloc(1, 0xff)
    for (;;) {
      const entries = this.#store.scan(from, end, STEP_ENTRIES, STEP_BYTES)
      for (const { key, value } of entries) {
        this.#count(key, 1, value.length)
        this.maxHlc = Math.max(this.maxHlc, hlcOf(key))
      }
      const last = entries.at(-1)
      if (last === undefined) break
      from = Buffer.concat([last.key, Buffer.alloc(1)])
    }
    this.#store.wasRead()
  }

  /** Of a member, by its id; the object changes with what is done. */
  of(targetId: string): HandoffCounts {
    let counts = this.#byTarget.get(targetId)
    if (counts === undefined) {
      counts = noCounts()
      this.#byTarget.set(targetId, counts)
    }
    return counts
  }

  /** Entries that are held for a member. */
  held(targetId: string): number {
    const counts = this.#byTarget.get(targetId)
    return counts === undefined ? 0 : counts.hints + counts.copies
  }

  /** Stamp of the oldest record held for a member, or for anybody (RULES P1); 0 for none. */
  oldestHlc(targetId: string | null = null): number {
    let oldest = Infinity
    for (const id of targetId === null ? this.#byTarget.keys() : [targetId]) {
      if (this.held(id) === 0) continue
      const target = targetOf(id)
      for (const kind of KINDS) {
        const first = this.#store.scan(firstKey(kind, target), lastKey(kind, target), 1, 1).at(0)
        if (first !== undefined) oldest = Math.min(oldest, hlcOf(first.key))
      }
    }
    return oldest === Infinity ? 0 : oldest
  }

  /** Writes entries; `done` as the store's. What could not be written is not held: the caller counts the loss. */
  put(entries: readonly HandoffEntry[], done: (error: Error | null) => void): void {
    const added = entries.filter(({ key }) => !this.#isHeld(key) && this.#moving.set(textOf(key), 'in'))
    this.#change(added, 1)
    this.#apply(entries, (error) => {
      for (const { key } of added) this.#moving.delete(textOf(key))
      // An error says nothing of what the store will show.
      if (error !== null)
        this.#change(
          added.filter(({ key }) => !this.#isHeld(key)),
          -1,
        )
      done(error)
    })
  }

  /** Entries that their target has taken, or that are void. Others with the same keys may have gone before. */
  remove(entries: readonly HandoffEntry[], done: (error: Error | null) => void): void {
    const gone = entries.filter(({ key }) => this.#isHeld(key) && this.#moving.set(textOf(key), 'out'))
    this.#change(gone, -1)
    const writes = entries.map(({ key }) => ({ key, value: null }))
    this.#apply(writes, (error) => {
      for (const { key } of gone) this.#moving.delete(textOf(key))
      if (error !== null)
        this.#change(
          gone.filter(({ key }) => this.#isHeld(key)),
          1,
        )
      done(error)
    })
  }

  /** Other values for entries of the same size that are held; what is not held any more stays so. */
  replace(entries: readonly HandoffEntry[], done: (error: Error | null) => void): void {
    this.#apply(
      entries.filter(({ key }) => this.#isHeld(key)),
      done,
    )
  }

  #isHeld(key: Buffer): boolean {
    const moving = this.#moving.size === 0 ? undefined : this.#moving.get(textOf(key))
    return moving === undefined ? this.#store.valueBytes(key) !== -1 : moving === 'in'
  }

  scan(
    kind: HandoffKind,
    target: Buffer,
    from: Buffer | null,
    entriesMax: number,
    bytesMax: number,
  ): readonly HandoffEntry[] {
    return this.#store.scan(from ?? firstKey(kind, target), lastKey(kind, target), entriesMax, bytesMax)
  }

  /** The first entries of the kind whose records are not newer than `hlc`. */
  upTo(kind: HandoffKind, targetId: string, hlc: number): readonly HandoffEntry[] {
    const target = targetOf(targetId)
    return this.#store.scan(firstKey(kind, target), keyBehind(kind, target, hlc), STEP_ENTRIES, STEP_BYTES)
  }

  lost(targetId: string, loss: Loss, entries = 1): void {
    const counts = this.of(targetId)
    if (loss === 'dropped') counts.dropped += entries
    else counts.possibleLosses += entries
  }

  /** Everybody that something is, or was, held for. */
  get targetIds(): Iterable<string> {
    return this.#byTarget.keys()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #apply(writes: readonly HandoffWrite[], done: (error: Error | null) => void): void {
    this.#store.apply(writes, (error) => {
      this.failure = error
      done(error)
    })
  }

  #change(entries: readonly HandoffEntry[], by: 1 | -1): void {
    for (const { key, value } of entries) this.#count(key, by, value.length)
  }

  #count(key: Buffer, entries: 1 | -1, bytes: number): void {
    const counts = this.of(targetIdOf(key))
    const kind = kindOf(key)
    if (kind === COPY) {
      counts.copies += entries
      counts.copyBytes += entries * bytes
    } else {
      counts.hints += entries
      counts.hintBytes += entries * bytes
    }
  }
}

function textOf(key: Buffer): string {
  return key.toString('latin1')
}

/**
 * A history of writes, deletions, expiry and FLUSHALL against the picker, on a tree without files, with any number of compactions
 * under way at once; and what a client would expect to find.
 */
import { NEVER_DIES } from '../../../../src/record/layout.js'
import {
  COMPACTION_DEFAULTS,
  type CompactionOptions,
} from '../../../../src/storage/compaction/compaction-options.js'
import type { SequenceRange } from '../../../../src/storage/compaction/older-elsewhere.js'
import {
  pickCompaction,
  type CompactionPick,
  type CompactionView,
} from '../../../../src/storage/compaction/picker.js'
import { LEVEL_ZERO, SIZE_TIERED } from '../../../../src/storage/families.js'
import type { WrittenTable } from '../../../../src/storage/manifest.js'
import { Seeded } from '../../../support/seeded.js'
import { ENTRY_BYTES, TreeModel, rangeOf, type ModelEntry } from './tree-model.js'

const TARGET_BYTES = 20 * ENTRY_BYTES
export const OPTIONS: CompactionOptions = {
  ...COMPACTION_DEFAULTS,
  levelBaseBytes: 80 * ENTRY_BYTES,
  levelMultiplier: 4,
  levels: 5,
  l0BytesMax: 200 * ENTRY_BYTES,
  tierSmallBytes: 0,
}
const PICKS_MAX = 10_000

interface Running {
  readonly pick: CompactionPick
  readonly outputs: readonly WrittenTable[]
}

/** One history: a memtable, the tree, and what a client would expect to find. */
export class History {
  readonly tree = new TreeModel(TARGET_BYTES)
  readonly expected = new Map<number, ModelEntry>()
  readonly random: Seeded
  nowMs = 1_000_000
  flushMark = 0
  writes = 0
  picks = 0
  #sequence = 0
  #segment = new Map<number, ModelEntry>()
  readonly #running: Running[] = []
  readonly #forgets: (pick: CompactionPick) => CompactionPick
  readonly #isTiered: (token: number, flush: number) => boolean
  #flushes = 0

  /**
   * `forgets` takes something out of a pick that its job should have known; `isTiered` says what the policies were for a key when
   * it was flushed.
   */
  constructor(
    seed: number,
    forgets: (pick: CompactionPick) => CompactionPick = (pick) => pick,
    isTiered: (token: number, flush: number) => boolean = () => false,
  ) {
    this.random = new Seeded(seed)
    this.#forgets = forgets
    this.#isTiered = isTiered
  }

  write(token: number, deathMs: number): void {
    const sequence = ++this.#sequence
    const entry = { token, sequence, hlc: sequence, deathMs }
    this.#segment.set(token, entry)
    this.expected.set(token, entry)
    this.writes++
  }

  flush(): void {
    if (this.#segment.size === 0) return
    const entries = [...this.#segment.values()].sort((a, b) => a.token - b.token)
    const flush = this.#flushes++
    this.tree.flush(
      entries.filter(({ token }) => !this.#isTiered(token, flush)),
      LEVEL_ZERO,
    )
    this.tree.flush(
      entries.filter(({ token }) => this.#isTiered(token, flush)),
      SIZE_TIERED,
    )
    this.#segment = new Map()
  }

  flushAll(): void {
    this.flushMark = this.#sequence
  }

  /** Starts a compaction if there is one to start. */
  start(): boolean {
    const busy = new Set(this.#running.flatMap(({ pick }) => pick.inputs.map((table) => table.fileNumber)))
    const pick = pickCompaction(this.view(busy), OPTIONS)
    if (pick === null) return false
    if (pick.inputs.length === 0) throw new Error('a pick has inputs')
    if (pick.inputs.some((table) => busy.has(table.fileNumber))) throw new Error('a busy table was picked')
    this.picks++
    this.#running.push({ pick, outputs: this.tree.work(this.#forgets(pick), this.nowMs, this.flushMark) })
    return true
  }

  /** What picks depend on. */
  view(busy: ReadonlySet<number> = new Set()): CompactionView {
    return {
      tables: this.tree.state.tables,
      segments: this.#segments(),
      busy,
      cursors: this.tree.cursors,
      purgeableUntilMs: this.nowMs,
      flushMark: this.flushMark,
    }
  }

  /** Of the last write. */
  get sequence(): number {
    return this.#sequence
  }

  /** Ends the running compaction of this index, in any order. */
  end(index: number): void {
    const [{ pick, outputs }] = this.#running.splice(index, 1)
    this.tree.finish(pick, outputs)
  }

  get running(): number {
    return this.#running.length
  }

  /** Compacts until there is nothing to do. */
  settle(): void {
    while (this.running > 0) this.end(0)
    for (let picks = 0; this.start(); picks++) {
      this.end(0)
      if (picks > PICKS_MAX) throw new Error('compaction does not come to an end')
    }
  }

  isDead(entry: ModelEntry): boolean {
    return entry.deathMs <= this.nowMs || entry.hlc <= this.flushMark
  }

  /** T6, T4: what a reader finds is the newest version, or nothing where that is dead. */
  check(): void {
    const newest = this.tree.newest()
    for (const [token, entry] of this.#segment) newest.set(token, entry)
    for (const [token, entry] of newest) {
      const expected = this.expected.get(token)
      if (expected === undefined) throw new Error(`token ${token} was never written`)
      if (this.isDead(expected) && this.isDead(entry)) continue
      if (entry.sequence !== expected.sequence)
        throw new Error(`token ${token}: version ${entry.sequence} came to light`)
    }
    for (const [token, entry] of this.expected) {
      if (!this.isDead(entry) && newest.get(token) === undefined) throw new Error(`token ${token} was lost`)
    }
  }

  #segments(): SequenceRange[] {
    return this.#segment.size === 0 ? [] : [rangeOf([...this.#segment.values()])]
  }
}

export function randomStep(history: History, keys: number): void {
  const { random } = history
  switch (random.below(12)) {
    case 0:
      if (random.chance(40)) history.flushAll()
      history.flush()
      break
    case 1:
      history.nowMs += random.below(2) === 0 ? random.below(60_000) : random.below(2 * OPTIONS.garbageAgeMs)
      break
    case 2:
      if (history.running < 2) history.start()
      break
    case 3:
      if (history.running > 0) history.end(random.below(history.running))
      break
    default:
      for (let i = random.below(8); i >= 0; i--) {
        const kind = random.below(4)
        const ttl = history.nowMs + 1 + random.below(random.pick([1000, 3_600_000, 100_000_000]))
        history.write(random.below(keys), kind === 0 ? history.nowMs : kind === 1 ? ttl : NEVER_DIES)
      }
  }
}

export function attempt(seed: number, run: () => void): void {
  try {
    run()
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error })
  }
}

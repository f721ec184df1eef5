/**
 * Random histories of writes, deletions, expiry and FLUSHALL against the picker, with up to two compactions under way
 * at once. A history's seed is in the message of whatever fails.
 */
import t from 'tap'
import {
  COMPACTION_DEFAULTS,
  type CompactionOptions,
} from '../../../../src/storage/compaction/compaction-options.js'
import { debt } from '../../../../src/storage/compaction/debt.js'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { pickCompaction, type CompactionPick } from '../../../../src/storage/compaction/picker.js'
import type { SequenceRange } from '../../../../src/storage/compaction/older-elsewhere.js'
import type { WrittenTable } from '../../../../src/storage/manifest.js'
import { Seeded } from '../../../support/seeded.js'
import { ENTRY_BYTES, TreeModel, rangeOf, type ModelEntry } from './tree-model.js'

const TARGET_BYTES = 20 * ENTRY_BYTES
const OPTIONS: CompactionOptions = {
  ...COMPACTION_DEFAULTS,
  levelBaseBytes: 80 * ENTRY_BYTES,
  levelMultiplier: 4,
  levels: 5,
  l0BytesMax: 200 * ENTRY_BYTES,
}
const PICKS_MAX = 10_000

interface Running {
  readonly pick: CompactionPick
  readonly outputs: readonly WrittenTable[]
}

/** One history: a memtable, the tree, and what a client would expect to find. */
class History {
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

  /** `forgets` takes something out of a pick that its job should have known. */
  constructor(seed: number, forgets: (pick: CompactionPick) => CompactionPick = (pick) => pick) {
    this.random = new Seeded(seed)
    this.#forgets = forgets
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
    this.tree.flush([...this.#segment.values()].sort((a, b) => a.token - b.token))
    this.#segment = new Map()
  }

  flushAll(): void {
    this.flushMark = this.#sequence
  }

  /** Starts a compaction if there is one to start. */
  start(): boolean {
    const busy = new Set(this.#running.flatMap(({ pick }) => pick.inputs.map((table) => table.fileNumber)))
    const view = {
      tables: this.tree.state.tables,
      segments: this.#segments(),
      busy,
      cursors: this.tree.cursors,
      purgeableUntilMs: this.nowMs,
      flushMark: this.flushMark,
    }
    const pick = pickCompaction(view, OPTIONS)
    if (pick === null) return false
    if (pick.inputs.length === 0) throw new Error('a pick has inputs')
    if (pick.inputs.some((table) => busy.has(table.fileNumber))) throw new Error('a busy table was picked')
    this.picks++
    this.#running.push({ pick, outputs: this.tree.work(this.#forgets(pick), this.nowMs, this.flushMark) })
    return true
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

function randomStep(history: History, keys: number): void {
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

function attempt(seed: number, run: () => void): void {
  try {
    run()
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error })
  }
}

t.test('T4 T6 no history uncovers an older version or loses one, two compactions at a time', async (t) => {
  let picks = 0
  for (let seed = 1; seed <= 100; seed++) {
    attempt(seed, () => {
      const history = new History(seed)
      const keys = history.random.pick([30, 300, 3000])
      for (let step = 0; step < 400; step++) {
        randomStep(history, keys)
        history.check()
      }
      picks += history.picks
    })
  }
  t.ok(picks > 1000, `${picks} compactions`)
})

t.test(
  'T4 these histories do uncover older versions when a job does not know of the other tables',
  async (t) => {
    const caught = Array.from({ length: 20 }, (_, seed) => {
      const history = new History(seed, (pick) => ({ ...pick, others: [] }))
      try {
        for (let step = 0; step < 400; step++) {
          randomStep(history, 300)
          history.check()
        }
        return 0
      } catch (error) {
        if (!String(error).includes('came to light')) throw error
        return 1
      }
    })
    const count = caught.reduce<number>((sum, one) => sum + one, 0)
    t.ok(count > 0, `${count} of ${caught.length} histories caught it`)
  },
)

t.test('left running, compaction comes to an end without debt', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    attempt(seed, () => {
      const history = new History(seed)
      for (let step = 0; step < 600; step++) randomStep(history, 2000)
      history.flush()
      history.settle()
      history.check()
      const left = debt(history.tree.state.tables, OPTIONS)
      if (left.l0Depth >= OPTIONS.l0Trigger || left.pendingBytes > 0) throw new Error(JSON.stringify(left))
    })
  }
  t.pass('no debt')
})

t.test('deleted, expired and flushed entries leave the disk without any new write', async (t) => {
  let gone = 0
  for (let seed = 1; seed <= 60; seed++) {
    attempt(seed, () => {
      const history = new History(seed)
      for (let step = 0; step < 600; step++) randomStep(history, 2000)
      history.flush()
      history.settle()
      const before = history.tree.entryCount
      history.nowMs += 10 * OPTIONS.garbageAgeMs
      history.settle()
      history.check()
      const live = [...history.expected.values()].filter((entry) => !history.isDead(entry)).length
      const dead = [...history.tree.newest().values()].filter((entry) => history.isDead(entry)).length
      if (dead > 0) throw new Error(`${dead} dead entries beside ${live} live ones`)
      gone += before - history.tree.entryCount
    })
  }
  t.ok(gone > 0, `${gone} entries left the disk`)
})

t.test('after FLUSHALL all tables go in one step that rewrites nothing', async (t) => {
  const history = new History(1)
  for (let i = 0; i < 3000; i++) {
    history.write(history.random.below(100_000), NEVER_DIES)
    if (i % 50 === 0) history.flush()
    if (i % 120 === 0) history.settle()
  }
  history.flush()
  const before = history.tree.writtenBytes
  history.flushAll()
  history.settle()
  t.equal(history.tree.state.tables.length, 0)
  t.equal(history.tree.writtenBytes, before)
})

t.test('write amplification of uniform overwrites is reported', async (t) => {
  const history = new History(7)
  for (let i = 0; i < 30_000; i++) {
    history.write(history.random.below(10_000), NEVER_DIES)
    if (i % 60 === 59) history.flush()
    if (history.running === 0) history.start()
    else history.end(0)
  }
  history.settle()
  const levels = OPTIONS.levels
  const bytes = Array.from({ length: levels }, (_, level) =>
    history.tree.state.tables
      .filter((table) => table.level === level)
      .reduce((sum, table) => sum + table.sizeBytes, 0),
  )
  t.comment(`write amplification ${(history.tree.writtenBytes / (history.writes * ENTRY_BYTES)).toFixed(1)}`)
  t.comment(`space amplification ${(history.tree.entryCount / history.expected.size).toFixed(2)}`)
  t.comment(`bytes by level ${bytes.join(' ')}, ${history.picks} compactions`)
  t.equal(history.tree.newest().size, history.expected.size)
})

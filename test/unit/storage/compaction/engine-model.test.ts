/**
 * Random histories over real tables: writes, deletions, expiry, FLUSHALL, tombstones of dropped windows, flushes and
 * compactions as the store would run them, on a disk in memory, with time under control. After every step that changes
 * files each key is read from all of them and compared with a Map. A failing history's seed is in its message.
 */
import { deepStrictEqual } from 'node:assert/strict'
import t from 'tap'
import { wallMsToHlc } from '../../../../src/record/hlc.js'
import {
  COMPACTION_DEFAULTS,
  type CompactionOptions,
} from '../../../../src/storage/compaction/compaction-options.js'
import type { SequenceRange } from '../../../../src/storage/compaction/older-elsewhere.js'
import { editOf, pickCompaction, type CompactionPick } from '../../../../src/storage/compaction/picker.js'
import { FLAG_LOCAL_TOMBSTONE, FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { InlineJobs } from '../../../../src/storage/jobs/inline-jobs.js'
import { fileNumbersFor } from '../../../../src/storage/jobs/storage-jobs.js'
import {
  Manifest,
  applyEdit,
  emptyManifest,
  leftovers,
  type ManifestEdit,
  type ManifestState,
} from '../../../../src/storage/manifest.js'
import { Seeded } from '../../../support/seeded.js'
import { MemoryDisk } from '../memory-disk.js'
import { TestSegment, readTable, type SeenEntry } from '../segment.js'
import { TWINS } from '../twin-keys.js'

const DIRECTORY = '/data'
const TARGET_BYTES = 16 * 1024
const OPTIONS: CompactionOptions = {
  ...COMPACTION_DEFAULTS,
  levelBaseBytes: 32 * 1024,
  levelMultiplier: 3,
  levels: 4,
  l0BytesMax: 256 * 1024,
}

class EngineModel {
  readonly disk = new MemoryDisk()
  readonly jobs = new InlineJobs(this.disk)
  readonly random: Seeded
  readonly keys: readonly string[]
  compactions = 0
  nowMs = 1_800_000_000_000
  #state: ManifestState = emptyManifest(1)
  #cursors: readonly number[] = []
  #flushMark = 0
  #sequence = 0
  #hlc = 0
  #segment = new TestSegment()
  readonly #expected = new Map<string, SeenEntry>()
  readonly #forgets: (pick: CompactionPick) => CompactionPick

  /** `forgets` takes something out of a pick that its job should have known. */
  constructor(seed: number, forgets: (pick: CompactionPick) => CompactionPick = (pick) => pick) {
    this.random = new Seeded(seed)
    this.#forgets = forgets
    this.keys = [...TWINS.flat(), ...Array.from({ length: 600 }, (_, i) => `key:${i}`)]
    Manifest.write(this.disk, DIRECTORY, this.#state)
  }

  write(): void {
    const { random } = this
    const key = random.pick(this.keys)
    const kind = random.below(4)
    const expireAtMs = kind === 1 ? this.nowMs + 1 + random.below(random.pick([1000, 100_000_000])) : 0
    const value = kind === 0 ? null : `${++this.#sequence}`.padEnd(random.below(400), '.')
    const flags = kind <= 1 && random.chance(2) ? FLAG_SHADOWS : 0
    this.#hlc = Math.max(this.#hlc + 1, wallMsToHlc(this.nowMs))
    const entry = { key, sequence: ++this.#sequence, value, expireAtMs, hlc: this.#hlc, flags }
    this.#segment.put(entry)
    this.#expected.set(key, entry)
  }

  flushAll(): void {
    this.#flushMark = this.#hlc
  }

  async flush(): Promise<void> {
    if (this.#segment.size > 0) await this.#flush(this.#segment)
    this.#segment = new TestSegment()
  }

  /** A dead entry's tombstone arrives in level 0 under the entry's own, old sequence (RULES T2). */
  async dropWindow(): Promise<void> {
    const dead = this.#inTables().filter((entry) => this.#visible(entry) === null)
    if (dead.length === 0) return
    const entry = this.random.pick(dead)
    const segment = new TestSegment()
    segment.put({ ...entry, value: null, expireAtMs: 0, flags: FLAG_LOCAL_TOMBSTONE })
    await this.#flush(segment)
  }

  async compact(): Promise<boolean> {
    const { nowMs: purgeableUntilMs } = this
    const view = {
      purgeableUntilMs,
      flushMark: this.#flushMark,
      busy: new Set<number>(),
      cursors: this.#cursors,
    }
    const pick = pickCompaction({ ...view, tables: this.#state.tables, segments: this.#segments() }, OPTIONS)
    if (pick === null) return false
    this.compactions++
    const outputs = pick.kind === 'merge' ? await this.#merge(this.#forgets(pick)) : []
    this.#commit({ ...editOf(pick, outputs), nextFileNumber: this.#nextFileNumber })
    this.#cursors = pick.cursors
    return true
  }

  /** Reads every key as the store would: the highest sequence anywhere, or nothing when that is dead. */
  check(): void {
    const newest = new Map<string, SeenEntry>()
    for (const entry of [...this.#inTables(), ...this.#segment.entries()]) {
      const found = newest.get(entry.key)
      if (found === undefined || entry.sequence > found.sequence) newest.set(entry.key, entry)
    }
    for (const key of this.keys) {
      const found = this.#visible(newest.get(key))
      const expected = this.#visible(this.#expected.get(key))
      if (found !== expected) throw new Error(`${key} reads ${found}, not ${expected}`)
    }
    deepStrictEqual(Manifest.load(this.disk, DIRECTORY), this.#state)
    if (leftovers(this.#state, this.disk.list(DIRECTORY)).length > 0) throw new Error('a file is left over')
  }

  get entriesInTables(): number {
    return this.#inTables().length
  }

  get liveKeys(): number {
    return this.keys.filter((key) => this.#visible(this.#expected.get(key)) !== null).length
  }

  #nextFileNumber = 1

  #visible(entry: SeenEntry | undefined): string | null {
    if (entry === undefined || entry.value === null || entry.hlc <= this.#flushMark) return null
    return entry.expireAtMs !== 0 && entry.expireAtMs <= this.nowMs ? null : entry.value
  }

  #inTables(): SeenEntry[] {
    return this.#state.tables.flatMap((table) => readTable(this.disk, DIRECTORY, table.fileNumber))
  }

  #segments(): SequenceRange[] {
    const sequences = [...this.#segment.entries()].map((entry) => entry.sequence)
    if (sequences.length === 0) return []
    return [{ minToken: 0, maxToken: 2 ** 53 - 1, minSequence: Math.min(...sequences) }]
  }

  async #flush(segment: TestSegment): Promise<void> {
    const { tables } = await this.jobs.flush(segment.flushJob(DIRECTORY, this.#reserve(100), TARGET_BYTES))
    this.#commit({
      addTables: tables.map((table) => ({ ...table, level: 0 })),
      nextFileNumber: this.#nextFileNumber,
    })
  }

  async #merge(pick: CompactionPick) {
    const inputBytes = pick.inputs.reduce((sum, table) => sum + table.sizeBytes, 0)
    const count = fileNumbersFor(inputBytes, TARGET_BYTES)
    const result = await this.jobs.compact({
      directory: DIRECTORY,
      inputs: pick.inputs,
      others: pick.others,
      purgeableUntilMs: this.nowMs,
      flushMark: this.#flushMark,
      fileNumbers: { first: this.#reserve(count), count },
      targetBytes: TARGET_BYTES,
    })
    return result.tables
  }

  #reserve(count: number): number {
    const first = this.#nextFileNumber
    this.#nextFileNumber += count
    return first
  }

  #commit(edit: ManifestEdit): void {
    this.#state = applyEdit(this.#state, edit)
    Manifest.write(this.disk, DIRECTORY, this.#state)
    for (const name of leftovers(this.#state, this.disk.list(DIRECTORY)))
      this.disk.unlink(`${DIRECTORY}/${name}`)
  }
}

async function randomStep(model: EngineModel): Promise<void> {
  const { random } = model
  switch (random.below(12)) {
    case 0:
      await model.flush()
      break
    case 1:
      model.nowMs += random.pick([1000, 60_000, 3_600_000, 2 * OPTIONS.garbageAgeMs])
      break
    case 2:
    case 3:
      for (let i = random.below(3); i >= 0; i--) await model.compact()
      break
    case 4:
      if (random.chance(4)) await model.dropWindow()
      if (random.chance(12)) model.flushAll()
      break
    default:
      for (let i = random.below(30); i >= 0; i--) model.write()
      return
  }
  model.check()
}

async function run(model: EngineModel, seed: number, steps: number): Promise<void> {
  try {
    for (let step = 0; step < steps; step++) await randomStep(model)
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error })
  }
}

t.test(
  'T4 T6 the newest version always answers, and no dropped tombstone uncovers an older one',
  async (t) => {
    let compactions = 0
    for (let seed = 1; seed <= 12; seed++) {
      const model = new EngineModel(seed)
      await run(model, seed, 300)
      compactions += model.compactions
      t.equal(model.disk.openFiles, 0)
    }
    t.ok(compactions > 200, `${compactions} compactions`)
  },
)

t.test(
  'T4 these histories uncover older versions when a merge does not know of the other tables',
  async (t) => {
    let caught = 0
    for (let seed = 1; seed <= 6; seed++) {
      const model = new EngineModel(seed, (pick) => ({ ...pick, others: [] }))
      await run(model, seed, 300).catch((error: Error) => {
        if (!/reads .*, not null/.test(String(error.cause))) throw error
        caught++
      })
    }
    t.ok(caught > 0, `${caught} of 6 histories caught it`)
  },
)

t.test('once all is dead or settled, the disk holds the live keys and nothing else', async (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const model = new EngineModel(seed)
    await run(model, seed, 200)
    await model.flush()
    model.nowMs += 10 * OPTIONS.garbageAgeMs
    for (let i = 0; (await model.compact()) && i < 1000; i++);
    model.check()
    t.ok(
      model.entriesInTables < model.liveKeys * 2 + 1,
      `${model.entriesInTables} entries, ${model.liveKeys} live keys`,
    )
  }
})

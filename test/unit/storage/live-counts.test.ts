import t from 'tap'
import { LiveCounts } from '../../../src/storage/live-counts.js'
import { DISPLACED_FOREVER, DISPLACED_NOTHING } from '../../../src/storage/log/segment-format.js'
import { ONE_PARTITION } from '../../../src/storage/partitions.js'
import type { Partitions } from '../../../src/storage/partitions.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { Seeded } from '../../support/seeded.js'

const START_MS = 1_700_000_000_000
const SEEDS = 200
const STEPS = 150
const KEYS = 12

/** Key k lies in slot k * 1000, and slots take turns in the partitions. */
const THREE: Partitions = {
  version: 'three',
  ofSlot: Uint16Array.from({ length: SLOT_COUNT }, (_, slot) => slot % 3),
  count: 3,
}

function slotOfKey(key: number): number {
  return key * 1000
}

/** The keyspace of the counts, key by key: expiry, 0 for never. */
class Model {
  readonly keys = new Map<number, number>()

  /** What a write over the key displaces, as the log entry says it. */
  displaced(key: number, nowMs: number): number {
    const expireAtMs = this.keys.get(key)
    if (expireAtMs === undefined) return DISPLACED_NOTHING
    if (expireAtMs === 0) return DISPLACED_FOREVER
    return expireAtMs > nowMs ? expireAtMs : DISPLACED_NOTHING
  }

  /** Live keys by the second: a key counts until the second of its death is over. */
  live(nowMs: number, partition?: number): { total: number; expiring: number } {
    let total = 0
    let expiring = 0
    for (const [key, expireAtMs] of this.keys) {
      if (partition !== undefined && THREE.ofSlot[slotOfKey(key)] !== partition) continue
      if (expireAtMs !== 0 && Math.floor(expireAtMs / 1000) < Math.floor(nowMs / 1000)) continue
      total++
      if (expireAtMs !== 0) expiring++
    }
    return { total, expiring }
  }
}

interface LoggedWrite {
  readonly key: number
  readonly displaced: number
  /** Null for a deletion. */
  readonly expireAtMs: number | null
}

function replay(counts: LiveCounts, log: readonly LoggedWrite[]): void {
  for (const { key, displaced, expireAtMs } of log) {
    if (expireAtMs === null) counts.deleted(slotOfKey(key), displaced)
    else counts.wrote(slotOfKey(key), displaced, expireAtMs)
  }
}

/** What is not as in the model, of all keys or of those of one partition; null when all is. */
function difference(counts: LiveCounts, model: Model, nowMs: number): string | null {
  for (const partition of [undefined, 0, 1, 2]) {
    const { total, expiring } = model.live(nowMs, partition)
    const counted = counts.total(nowMs, partition)
    if (counted !== total) return `${counted} of ${total} keys in partition ${partition}`
    const dying = counts.expiring(nowMs, partition)
    if (dying !== expiring) return `${dying} of ${expiring} expiring keys in partition ${partition}`
  }
  return null
}

/** A random life; answers what goes wrong first, or null. */
function liveWith(seed: number): string | null {
  const random = new Seeded(seed)
  const model = new Model()
  const counts = new LiveCounts(THREE)
  let saved = counts.snapshot()
  let log: LoggedWrite[] = []
  let nowMs = START_MS
  for (let step = 0; step < STEPS; step++) {
    const key = random.below(KEYS)
    // A key that died within this second is counted until it is over, and its successor too: leave such keys alone.
    const expireAtMs = model.keys.get(key) ?? 0
    const isDying = expireAtMs !== 0 && Math.floor(expireAtMs / 1000) === Math.floor(nowMs / 1000)
    const dice = random.below(10)
    if (dice < 4 && !isDying) {
      const displaced = model.displaced(key, nowMs)
      const expires = random.chance(2) ? 0 : nowMs + 1 + random.below(5000)
      log.push({ key, displaced, expireAtMs: expires })
      counts.wrote(slotOfKey(key), displaced, expires)
      model.keys.set(key, expires)
    } else if (dice < 6 && !isDying) {
      const displaced = model.displaced(key, nowMs)
      if (displaced === DISPLACED_NOTHING) continue
      log.push({ key, displaced, expireAtMs: null })
      counts.deleted(slotOfKey(key), displaced)
      model.keys.delete(key)
    } else if (dice < 8) {
      nowMs += random.below(random.chance(5) ? 30_000 : 700)
    } else if (dice === 8) {
      saved = counts.snapshot()
      log = []
    } else {
      const restored = new LiveCounts(THREE)
      restored.restore(saved)
      replay(restored, log)
      const problem = difference(restored, model, nowMs)
      if (problem !== null) return `seed ${seed}, step ${step}: after a replay ${problem}`
    }
    const problem = difference(counts, model, nowMs)
    if (problem !== null) return `seed ${seed}, step ${step}: ${problem}`
  }
  return null
}

t.test(
  'R5 the counts of every partition are those of a key-by-key model, over time and over restarts',
  async (t) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const problem = liveWith(seed)
      if (problem !== null) t.fail(problem)
    }
    t.pass(`${SEEDS} seeds`)
  },
)

t.test('a key counts until the second of its death is over', async (t) => {
  const counts = new LiveCounts(ONE_PARTITION)
  counts.wrote(7, DISPLACED_NOTHING, START_MS + 1500)
  t.equal(counts.total(START_MS + 1999), 1)
  t.equal(counts.expiring(START_MS + 1999), 1)
  t.equal(counts.total(START_MS + 2000), 0)
  t.equal(counts.expiring(START_MS + 2000), 0)
  t.equal(counts.expired, 1)
})

t.test('a write over a key that was counted out already takes nothing away', async (t) => {
  const counts = new LiveCounts(ONE_PARTITION)
  counts.wrote(7, DISPLACED_NOTHING, START_MS + 500)
  counts.wrote(7, DISPLACED_NOTHING, 0)
  t.equal(counts.total(START_MS + 1000), 1)
  // The batch of requests took its time before the second was over.
  counts.deleted(7, START_MS + 500)
  t.equal(counts.total(START_MS + 1000), 1)

  const restored = new LiveCounts(ONE_PARTITION)
  restored.restore(counts.snapshot())
  restored.deleted(7, START_MS + 500)
  t.equal(restored.total(START_MS + 1000), 1)
  t.equal(restored.expiring(START_MS + 1000), 0)
})

t.test('a wall clock that goes back brings nobody back', async (t) => {
  const counts = new LiveCounts(ONE_PARTITION)
  counts.wrote(7, DISPLACED_NOTHING, START_MS + 500)
  t.equal(counts.total(START_MS + 5000), 0)
  t.equal(counts.total(START_MS), 0)
  counts.wrote(7, START_MS + 500, 0)
  t.equal(counts.total(START_MS), 1)
})

t.test('FLUSHALL leaves nothing, whatever was to die', async (t) => {
  const counts = new LiveCounts(ONE_PARTITION)
  counts.wrote(7, DISPLACED_NOTHING, START_MS + 500)
  counts.wrote(7, DISPLACED_NOTHING, 0)
  counts.clear()
  t.equal(counts.total(START_MS), 0)
  t.equal(counts.expiring(START_MS), 0)
  t.same(counts.snapshot(), {
    version: '',
    live: Float64Array.of(0),
    pairs: Uint32Array.of(0),
    seconds: new Float64Array(0),
    deaths: new Uint32Array(0),
  })
  t.equal(counts.total(START_MS + 5000), 0)
})

t.test('a snapshot fits the partitions that it was taken of, and no others', async (t) => {
  const snapshot = new LiveCounts(THREE).snapshot()
  t.ok(new LiveCounts({ ...THREE, ofSlot: THREE.ofSlot.slice() }).matches(snapshot))
  t.notOk(new LiveCounts({ ...THREE, version: 'four' }).matches(snapshot))
  t.notOk(new LiveCounts({ ...THREE, count: 4 }).matches(snapshot))
  t.notOk(new LiveCounts(ONE_PARTITION).matches(snapshot))
})

t.test('partitions that leave a slot out are a bug', async (t) => {
  const wrong: Partitions[] = [
    { ...THREE, ofSlot: THREE.ofSlot.slice(1) },
    { ...THREE, count: 2 },
    { ...THREE, version: 'v'.repeat(256) },
  ]
  for (const partitions of wrong) t.throws(() => new LiveCounts(partitions), { name: 'AssertionError' })
})

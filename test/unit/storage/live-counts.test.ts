import t from 'tap'
import { LiveCounts } from '../../../src/storage/live-counts.js'
import { DISPLACED_FOREVER, DISPLACED_NOTHING } from '../../../src/storage/log/segment-format.js'
import { Seeded } from '../../support/seeded.js'

const START_MS = 1_700_000_000_000
const SEEDS = 200
const STEPS = 150
const KEYS = 12

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
  live(nowMs: number): { total: number; expiring: number } {
    let total = 0
    let expiring = 0
    for (const expireAtMs of this.keys.values()) {
      if (expireAtMs !== 0 && Math.floor(expireAtMs / 1000) < Math.floor(nowMs / 1000)) continue
      total++
      if (expireAtMs !== 0) expiring++
    }
    return { total, expiring }
  }
}

interface LoggedWrite {
  readonly displaced: number
  /** Null for a deletion. */
  readonly expireAtMs: number | null
}

function replay(counts: LiveCounts, log: readonly LoggedWrite[]): void {
  for (const { displaced, expireAtMs } of log) {
    if (expireAtMs === null) counts.deleted(displaced)
    else counts.wrote(displaced, expireAtMs)
  }
}

/** A random life; answers what goes wrong first, or null. */
function liveWith(seed: number): string | null {
  const random = new Seeded(seed)
  const model = new Model()
  const counts = new LiveCounts()
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
      log.push({ displaced, expireAtMs: expires })
      counts.wrote(displaced, expires)
      model.keys.set(key, expires)
    } else if (dice < 6 && !isDying) {
      const displaced = model.displaced(key, nowMs)
      if (displaced === DISPLACED_NOTHING) continue
      log.push({ displaced, expireAtMs: null })
      counts.deleted(displaced)
      model.keys.delete(key)
    } else if (dice < 8) {
      nowMs += random.below(random.chance(5) ? 30_000 : 700)
    } else if (dice === 8) {
      saved = counts.snapshot()
      log = []
    } else {
      const restored = new LiveCounts()
      restored.restore(saved)
      replay(restored, log)
      const { total, expiring } = model.live(nowMs)
      if (restored.total(nowMs) !== total || restored.expiring(nowMs) !== expiring) {
        return `seed ${seed}, step ${step}: ${restored.total(nowMs)} keys after a replay instead of ${total}`
      }
    }
    const { total, expiring } = model.live(nowMs)
    if (counts.total(nowMs) !== total)
      return `seed ${seed}, step ${step}: ${counts.total(nowMs)} of ${total} keys`
    if (counts.expiring(nowMs) !== expiring) return `seed ${seed}, step ${step}: of ${expiring} expiring keys`
  }
  return null
}

t.test('the counts are those of a key-by-key model, over time and over restarts', async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const problem = liveWith(seed)
    if (problem !== null) t.fail(problem)
  }
  t.pass(`${SEEDS} seeds`)
})

t.test('a key counts until the second of its death is over', async (t) => {
  const counts = new LiveCounts()
  counts.wrote(DISPLACED_NOTHING, START_MS + 1500)
  t.equal(counts.total(START_MS + 1999), 1)
  t.equal(counts.expiring(START_MS + 1999), 1)
  t.equal(counts.total(START_MS + 2000), 0)
  t.equal(counts.expiring(START_MS + 2000), 0)
  t.equal(counts.expired, 1)
})

t.test('a write over a key that was counted out already takes nothing away', async (t) => {
  const counts = new LiveCounts()
  counts.wrote(DISPLACED_NOTHING, START_MS + 500)
  counts.wrote(DISPLACED_NOTHING, 0)
  t.equal(counts.total(START_MS + 1000), 1)
  // The batch of requests took its time before the second was over.
  counts.deleted(START_MS + 500)
  t.equal(counts.total(START_MS + 1000), 1)

  const restored = new LiveCounts()
  restored.restore(counts.snapshot())
  restored.deleted(START_MS + 500)
  t.equal(restored.total(START_MS + 1000), 1)
  t.equal(restored.expiring(START_MS + 1000), 0)
})

t.test('a wall clock that goes back brings nobody back', async (t) => {
  const counts = new LiveCounts()
  counts.wrote(DISPLACED_NOTHING, START_MS + 500)
  t.equal(counts.total(START_MS + 5000), 0)
  t.equal(counts.total(START_MS), 0)
  counts.wrote(START_MS + 500, 0)
  t.equal(counts.total(START_MS), 1)
})

t.test('FLUSHALL leaves nothing, whatever was to die', async (t) => {
  const counts = new LiveCounts()
  counts.wrote(DISPLACED_NOTHING, START_MS + 500)
  counts.wrote(DISPLACED_NOTHING, 0)
  counts.clear()
  t.equal(counts.total(START_MS), 0)
  t.equal(counts.expiring(START_MS), 0)
  t.same(counts.snapshot(), { live: 0, seconds: new Float64Array(0), deaths: new Uint32Array(0) })
  t.equal(counts.total(START_MS + 5000), 0)
})

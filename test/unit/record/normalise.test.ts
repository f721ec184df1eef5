import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { HLC_EPOCH_MS, HLC_PER_MS, hlcToWallMs, wallMsToHlc } from '../../../src/record/hlc.js'
import { mergeRecords } from '../../../src/record/merge.js'
import { NO_CUTOFFS, normaliseRecord, recordDeathTime } from '../../../src/record/normalise.js'
import { deletionSibling, valueSibling, type RecordValue, type Sibling } from '../../../src/record/record.js'
import { newestHlc, type Dot } from '../../../src/record/version-vector.js'
import { KEY, plain, soundRecord } from './arbitrary-record.js'

const HOUR_MS = 3_600_000
const NOON_MS = Date.UTC(2026, 0, 1, 12)

/** The first stamp `ms` after noon. */
const at = (ms: number) => wallMsToHlc(NOON_MS + ms)
const purged = (purgeHorizonMs: number) => ({ flushMark: 0, purgeHorizonMs })

function record(context: readonly Dot[], ...siblings: Sibling[]): RecordValue {
  return { key: KEY, context, siblings }
}

const value = (actor: number, hlc: number, expireAtMs = 0) =>
  valueSibling({ actor, hlc }, Buffer.from(`${actor}@${hlc}`), expireAtMs)

/** Arbitrary small records with their stamps spread over seconds, and a horizon among them. */
const spread = soundRecord.map((small) => {
  const stretch = <T extends Dot>(dot: T): T => ({ ...dot, hlc: dot.hlc * 1000 * HLC_PER_MS })
  const siblings = small.siblings.map((sibling) => {
    const stretched = stretch(sibling)
    return stretched.expireAtMs === 0 ? stretched : { ...stretched, expireAtMs: HLC_EPOCH_MS + 4000 }
  })
  return { ...small, context: small.context.map(stretch), siblings }
})
const cutoffs = fc.record(
  {
    flushMark: fc.nat(7).map((seconds) => seconds * 1000 * HLC_PER_MS),
    purgeHorizonMs: fc.nat(7).map((seconds) => (seconds === 0 ? 0 : HLC_EPOCH_MS + seconds * 1000)),
  },
  { noNullPrototype: true },
)

t.test(
  'V7 the context is reduced to its siblings only when the newest HLC lies below the horizon',
  async (t) => {
    holds(
      t,
      fc.property(spread, cutoffs, (small, marks) => {
        const kept = normaliseRecord(small, marks)
        if (kept === null) return
        const below = newestHlc(small.context) < wallMsToHlc(marks.purgeHorizonMs)
        const actors = new Set(kept.siblings.map((sibling) => sibling.actor))
        const expected = below ? small.context.filter((entry) => actors.has(entry.actor)) : small.context
        assert.deepEqual(kept.context, expected)
      }),
      { numRuns: 2000 },
    )
  },
)

t.test(
  'V7 a vector is not cut for its length: a deletion goes on covering all that it has seen',
  async (t) => {
    const v0 = record([{ actor: 1, hlc: at(0) }], value(1, at(0)))
    const deletion = record(
      [
        { actor: 1, hlc: at(0) },
        { actor: 2, hlc: at(10) },
        { actor: 3, hlc: at(20) },
      ],
      deletionSibling({ actor: 3, hlc: at(20) }),
    )
    const kept = normaliseRecord(deletion, purged(NOON_MS + 20))
    t.equal(kept, null, 'at or below the horizon it counts as absent')
    const before = normaliseRecord(deletion, purged(NOON_MS + 19))
    t.equal(before, deletion)
    t.same(
      mergeRecords(before ?? v0, v0, 'siblings').record.siblings.map((sibling) => sibling.actor),
      [3],
    )
    const cut = { ...deletion, context: deletion.context.slice(1) }
    t.same(
      mergeRecords(cut, v0, 'siblings').record.siblings.map((sibling) => sibling.actor),
      [3, 1],
      'without the entry of the first actor its value would come back',
    )
  },
)

t.test('V7 a live record whose history is purged keeps the entries of its siblings alone', async (t) => {
  const context = [
    { actor: 1, hlc: at(0) },
    { actor: 2, hlc: at(10) },
    { actor: 3, hlc: at(5) },
  ]
  const old = record(context, value(2, at(10)))
  t.equal(normaliseRecord(old, purged(NOON_MS + 10)), old, 'the newest HLC is not below the horizon')
  t.same(normaliseRecord(old, purged(NOON_MS + 11))?.context, [{ actor: 2, hlc: at(10) }])
})

t.test('V7 V9 P3 P4 normalising is idempotent and leaves its input alone', async (t) => {
  holds(
    t,
    fc.property(spread, cutoffs, (small, marks) => {
      const before = plain(small)
      const once = normaliseRecord(small, marks)
      assert.deepEqual(plain(small), before)
      if (once !== null) assert.deepEqual(plain(normaliseRecord(once, marks)), plain(once))
      assert.equal(normaliseRecord(small, NO_CUTOFFS), small.context.length === 0 ? null : small)
    }),
    { numRuns: 2000 },
  )
})

t.test(
  'P3 a record counts as absent when it died at or below the horizon, and not a millisecond later',
  async (t) => {
    const mortal = record([{ actor: 1, hlc: at(0) }], value(1, at(0), NOON_MS + HOUR_MS))
    t.equal(normaliseRecord(mortal, purged(NOON_MS + HOUR_MS - 1)), mortal)
    t.equal(normaliseRecord(mortal, purged(NOON_MS + HOUR_MS)), null)
    const deletion = record(
      [{ actor: 1, hlc: at(3) + 4095 }],
      deletionSibling({ actor: 1, hlc: at(3) + 4095 }),
    )
    t.equal(normaliseRecord(deletion, purged(NOON_MS + 2)), deletion)
    t.equal(normaliseRecord(deletion, purged(NOON_MS + 3)), null)
    const living = record([{ actor: 1, hlc: at(3) }], value(1, at(3)))
    t.not(normaliseRecord(living, purged(NOON_MS + 100 * HOUR_MS)), null)
  },
)

t.test('P3 whole records only: one living sibling keeps the dead ones', async (t) => {
  const context = [
    { actor: 1, hlc: at(0) },
    { actor: 2, hlc: at(1) },
  ]
  const both = record(context, deletionSibling({ actor: 2, hlc: at(1) }), value(1, at(0)))
  t.equal(normaliseRecord(both, purged(NOON_MS + HOUR_MS)), both)
})

t.test(
  'P4 what the flush mark covers is gone, dot by dot, and a record of nothing else is absent',
  async (t) => {
    const context = [
      { actor: 1, hlc: at(0) },
      { actor: 2, hlc: at(9) },
    ]
    const both = record(context, value(2, at(9)), value(1, at(0)))
    const marked = (flushMark: number) => normaliseRecord(both, { flushMark, purgeHorizonMs: 0 })
    t.equal(marked(at(0) - 1), both)
    t.same(plain(marked(at(0))), plain(record(context, value(2, at(9)))))
    t.equal(marked(at(9)), null)
  },
)

t.test('P4 a flushed sibling no longer keeps a dead record from counting as absent', async (t) => {
  const context = [
    { actor: 1, hlc: at(0) },
    { actor: 2, hlc: at(9) },
  ]
  const both = record(context, deletionSibling({ actor: 2, hlc: at(9) }), value(1, at(0)))
  t.equal(normaliseRecord(both, { flushMark: at(0), purgeHorizonMs: NOON_MS + 9 }), null)
  t.equal(normaliseRecord(both, { flushMark: 0, purgeHorizonMs: NOON_MS + 9 }), both)
})

t.test(
  'a record without siblings that the flush mark does not explain died with its newest entry',
  async (t) => {
    const empty = record([{ actor: 1, hlc: at(7) }])
    t.equal(recordDeathTime(empty), hlcToWallMs(at(7)))
    t.equal(normaliseRecord(empty, NO_CUTOFFS), empty)
    t.equal(normaliseRecord(empty, purged(NOON_MS + 7)), null)
  },
)

import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { applyPolicy, flush, mergeRecords, type MergePolicy } from '../../../src/record/merge.js'
import {
  decodeRecord,
  encodeRecord,
  valueSibling,
  verifyRecord,
  type RecordValue,
} from '../../../src/record/record.js'
import { compareDots, coversDot, coversVector, joinVectors } from '../../../src/record/version-vector.js'
import { KEY, contentOf, plain, rottenRecord, soundRecord } from './arbitrary-record.js'

const POLICIES: readonly MergePolicy[] = ['siblings', 'lww']
const MANY = { numRuns: 3000 }

const policy = fc.constantFrom(...POLICIES)
const mark = fc.nat(7)

function merge(a: RecordValue, b: RecordValue, how: MergePolicy = 'siblings', flushMark = 0): RecordValue {
  return mergeRecords(a, b, how, flushMark).record
}

const value = (actor: number, hlc: number, text: string) => valueSibling({ actor, hlc }, Buffer.from(text), 0)

/** A record of one sibling with this context. */
function written(actor: number, hlc: number, seen: readonly (readonly [number, number])[] = []): RecordValue {
  const context = joinVectors(
    seen.map(([a, h]) => ({ actor: a, hlc: h })),
    [{ actor, hlc }],
  )
  return { key: KEY, context, siblings: [value(actor, hlc, `${actor}@${hlc}`)] }
}

t.test('V1 V5 P4 merging is commutative for arbitrary records, corrupt ones included', async (t) => {
  holds(
    t,
    fc.property(rottenRecord, rottenRecord, policy, mark, (a, b, how, flushMark) => {
      assert.deepEqual(plain(merge(a, b, how, flushMark)), plain(merge(b, a, how, flushMark)))
    }),
    MANY,
  )
})

t.test('V1 V5 P4 merging is associative for arbitrary records, corrupt ones included', async (t) => {
  holds(
    t,
    fc.property(rottenRecord, rottenRecord, rottenRecord, policy, mark, (a, b, c, how, flushMark) => {
      const left = merge(merge(a, b, how, flushMark), c, how, flushMark)
      const right = merge(a, merge(b, c, how, flushMark), how, flushMark)
      assert.deepEqual(plain(left), plain(right))
    }),
    MANY,
  )
})

t.test('V1 V5 merging a record with itself, or with what it was merged from, changes nothing', async (t) => {
  holds(
    t,
    fc.property(rottenRecord, rottenRecord, policy, mark, (a, b, how, flushMark) => {
      assert.deepEqual(plain(merge(a, a, how, flushMark)), plain(applyPolicy(flush(a, flushMark), how)))
      const merged = merge(a, b, how, flushMark)
      assert.deepEqual(plain(merge(merged, a, how, flushMark)), plain(merged))
      assert.deepEqual(plain(merge(b, merged, how, flushMark)), plain(merged))
    }),
    MANY,
  )
})

t.test('V1 a sibling stays if both sides have it or the other context does not cover its dot', async (t) => {
  holds(
    t,
    fc.property(soundRecord, soundRecord, (a, b) => {
      const has = (record: RecordValue, actor: number, hlc: number) =>
        record.siblings.some((sibling) => sibling.actor === actor && sibling.hlc === hlc)
      const merged = merge(a, b)
      for (const { actor, hlc } of [...a.siblings, ...b.siblings]) {
        const inA = has(a, actor, hlc)
        const inB = has(b, actor, hlc)
        const survives = (inA && inB) || !coversDot(inA ? b.context : a.context, { actor, hlc })
        assert.equal(has(merged, actor, hlc), survives)
      }
      assert.deepEqual(merged.context, joinVectors(a.context, b.context))
      assert.ok(coversVector(merged.context, a.context) && coversVector(merged.context, b.context))
    }),
    MANY,
  )
})

t.test(
  'V1 two concurrent writes stay side by side, and a write that has seen both replaces them',
  async (t) => {
    const a = written(1, 10)
    const b = written(2, 11)
    const both = merge(a, b)
    t.same(
      both.siblings.map((sibling) => sibling.actor),
      [2, 1],
    )
    const later = written(1, 12, [
      [1, 10],
      [2, 11],
    ])
    t.same(plain(merge(both, later)), plain(later))
  },
)

t.test(
  'V1 one dot with two contents is reported, and the larger checksum is kept on both sides',
  async (t) => {
    const one = { ...written(1, 10), siblings: [value(1, 10, 'one')] }
    const two = { ...written(1, 10), siblings: [value(1, 10, 'two')] }
    const larger = one.siblings[0].valueChecksum > two.siblings[0].valueChecksum ? one : two
    for (const how of POLICIES) {
      for (const merged of [mergeRecords(one, two, how), mergeRecords(two, one, how)]) {
        t.same(merged.corruptDots, [{ actor: 1, hlc: 10 }])
        t.same(plain(merged.record), plain(larger))
      }
      t.same(mergeRecords(one, one, how).corruptDots, [])
    }
  },
)

t.test('V1 a dot whose kind or expiry alone differs is corruption too', async (t) => {
  const sibling = value(1, 10, 'one')
  const one = { ...written(1, 10), siblings: [sibling] }
  const two = { ...written(1, 10), siblings: [{ ...sibling, expireAtMs: 5 }] }
  t.same(mergeRecords(one, two, 'siblings').corruptDots, [{ actor: 1, hlc: 10 }])
  t.same(plain(merge(one, two)), plain(merge(two, one)))
})

t.test('V1 sound records never look corrupt', async (t) => {
  holds(
    t,
    fc.property(
      soundRecord,
      soundRecord,
      policy,
      (a, b, how) => mergeRecords(a, b, how).corruptDots.length === 0,
    ),
    MANY,
  )
})

t.test('V1 what comes out of a merge is a record in canonical form', async (t) => {
  holds(
    t,
    fc.property(rottenRecord, rottenRecord, policy, mark, (a, b, how, flushMark) => {
      const merged = merge(a, b, how, flushMark)
      const bytes = encodeRecord(merged)
      assert.equal(verifyRecord(bytes, 0, bytes.length), null)
      assert.deepEqual(plain(decodeRecord(bytes, 0)), plain(merged))
    }),
    MANY,
  )
})

t.test('V5 lww keeps the highest (HLC, actor) of both sides and joins the contexts', async (t) => {
  holds(
    t,
    fc.property(soundRecord, soundRecord, (a, b) => {
      const all = [...a.siblings, ...b.siblings].toSorted((x, y) => compareDots(y, x))
      const merged = merge(a, b, 'lww')
      assert.deepEqual(merged.context, joinVectors(a.context, b.context))
      assert.deepEqual(
        merged.siblings.map(({ actor, hlc }) => ({ actor, hlc })),
        all.slice(0, 1).map(({ actor, hlc }) => ({ actor, hlc })),
      )
    }),
    MANY,
  )
})

t.test('V5 lww ties on the HLC go to the higher actor', async (t) => {
  t.equal(merge(written(1, 10), written(2, 10), 'lww').siblings[0].actor, 2)
  t.equal(merge(written(2, 10), written(1, 10), 'lww').siblings[0].actor, 2)
})

t.test('V5 merging first and taking the maximum afterwards would not be associative', async (t) => {
  const late: RecordValue = {
    key: KEY,
    context: [{ actor: 1, hlc: 5 }],
    siblings: [contentOf({ actor: 1, hlc: 5 })],
  }
  const coverer: RecordValue = {
    key: KEY,
    context: [
      { actor: 1, hlc: 5 },
      { actor: 2, hlc: 4 },
    ],
    siblings: [contentOf({ actor: 2, hlc: 4 })],
  }
  const third: RecordValue = {
    key: KEY,
    context: [{ actor: 3, hlc: 6 }],
    siblings: [contentOf({ actor: 3, hlc: 6 })],
  }
  const naive = (a: RecordValue, b: RecordValue) => applyPolicy(merge(a, b), 'lww')
  t.not(naive(late, coverer).siblings[0].hlc, merge(late, coverer, 'lww').siblings[0].hlc)
  for (const [a, b, c] of [
    [late, coverer, third],
    [third, late, coverer],
    [coverer, third, late],
  ]) {
    t.equal(merge(merge(a, b, 'lww'), c, 'lww').siblings[0].hlc, 6)
    t.equal(merge(a, merge(b, c, 'lww'), 'lww').siblings[0].hlc, 6)
  }
})

t.test('V8 merging never refuses: more siblings than may be minted come together', async (t) => {
  const records = Array.from({ length: 200 }, (_, index) => written(index + 1, 10))
  const merged = records.reduce((a, b) => merge(a, b))
  t.equal(merged.siblings.length, 200)
  const bytes = encodeRecord(merged)
  t.equal(verifyRecord(bytes, 0, bytes.length), null)
})

t.test(
  'P4 the flush mark takes siblings one by one, and a later sibling of the same record stays',
  async (t) => {
    const both = merge(written(1, 10), written(2, 20))
    t.same(
      merge(both, both, 'siblings', 10).siblings.map((sibling) => sibling.hlc),
      [20],
    )
    t.same(merge(both, both, 'siblings', 20).siblings, [])
    t.same(merge(both, both, 'siblings', 20).context, both.context)
  },
)

t.test('records of different keys are never merged', async (t) => {
  const other = { ...written(1, 10), key: Buffer.from('other') }
  t.throws(() => mergeRecords(written(1, 10), other, 'siblings'), { name: 'AssertionError' })
})

t.test(
  'V6 a node that forgot what it acknowledged must write as a new actor, or its next write hides it',
  async (t) => {
    const acknowledged = written(1, 10)
    const sameActor = written(1, 11)
    const newActor = written(4, 11)
    t.same(
      merge(acknowledged, sameActor).siblings.map((sibling) => sibling.hlc),
      [11],
      'the forgotten write is lost',
    )
    t.same(
      merge(acknowledged, newActor).siblings.map((sibling) => sibling.hlc),
      [11, 10],
      'the forgotten write stands',
    )
  },
)

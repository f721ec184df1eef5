import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { absorbs, entriesCover, oldestSiblingHlc } from '../../../src/record/containment.js'
import { contextCount, contextStart } from '../../../src/record/layout.js'
import { applyPolicy, flush, mergeRecords } from '../../../src/record/merge.js'
import { encodeRecord, type RecordValue } from '../../../src/record/record.js'
import { coversVector } from '../../../src/record/version-vector.js'
import { anyRecord, plain, rottenRecord } from './arbitrary-record.js'

const MANY = { numRuns: 5000 }
const AT = 7
const policy = fc.constantFrom('siblings' as const, 'lww' as const)
const mark = fc.nat(7)

/** Not at the start of its bytes, where a forgotten offset would not be noticed. */
function encoded(record: RecordValue): Buffer {
  return Buffer.concat([Buffer.alloc(AT, 0xff), encodeRecord(record), Buffer.alloc(8, 0xff)])
}

t.test('V1 V5 P4 a record absorbs another exactly when merging leaves it as it counts', async (t) => {
  let absorbed = 0
  holds(
    t,
    fc.property(rottenRecord, rottenRecord, policy, mark, (a, b, how, flushMark) => {
      const { record: merged, corruptDots } = mergeRecords(a, b, how, flushMark)
      const same = JSON.stringify(plain(flush(a, flushMark))) === JSON.stringify(plain(merged))
      const answer = absorbs(encoded(a), AT, encoded(b), AT, how === 'lww', flushMark)
      if (answer) {
        absorbed++
        assert.ok(same)
      }
      // Corruption has to come to light, although the larger checksum stays; lww leaves siblings only below the mark.
      if (same && !answer) assert.ok(corruptDots.length > 0 || (how === 'lww' && a.siblings.length > 1))
    }),
    MANY,
  )
  t.ok(absorbed > 100, `${absorbed} pairs absorbed`)
})

t.test('V5 under lww a record of several siblings absorbs nothing, not even itself', async (t) => {
  holds(
    t,
    fc.property(rottenRecord, (a) => {
      const answer = absorbs(encoded(a), AT, encoded(a), AT, true, 0)
      assert.equal(answer, applyPolicy(a, 'lww') === a)
    }),
    MANY,
  )
})

t.test('entries cover others as decoded vectors do, but for those at or below the floor', async (t) => {
  holds(
    t,
    fc.property(rottenRecord, rottenRecord, fc.integer({ min: -1, max: 6 }), (a, b, floor) => {
      const [left, right] = [encoded(a), encoded(b)]
      const answer = entriesCover(
        left,
        contextStart(left, AT),
        contextCount(left, AT),
        right,
        contextStart(right, AT),
        contextCount(right, AT),
        floor,
      )
      const asked = b.context.filter((entry) => entry.hlc > floor)
      assert.equal(answer, coversVector(a.context, asked))
    }),
    MANY,
  )
})

t.test('the oldest sibling is the last', async (t) => {
  holds(
    t,
    fc.property(anyRecord, (record) => {
      const oldest = Math.min(Infinity, ...record.siblings.map(({ hlc }) => hlc))
      assert.equal(oldestSiblingHlc(encoded(record), AT), oldest)
    }),
  )
})

import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import {
  compareDots,
  compareVectors,
  coversDot,
  coversVector,
  joinVectors,
  newestHlc,
  type VersionVector,
} from '../../../src/record/version-vector.js'

const vector: fc.Arbitrary<VersionVector> = fc
  .uniqueArray(fc.record({ actor: fc.nat(4), hlc: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 4,
    selector: (entry) => entry.actor,
  })
  .map((entries) => entries.toSorted((a, b) => a.actor - b.actor))

/** What a vector has seen of actors 0 to 4, as a list: the definition that the functions are held against. */
function seen(v: VersionVector): number[] {
  return [0, 1, 2, 3, 4].map((actor) => v.find((entry) => entry.actor === actor)?.hlc ?? 0)
}

t.test('V1 joining vectors is the pointwise maximum, in canonical order', async (t) => {
  holds(
    t,
    fc.property(vector, vector, (a, b) => {
      const joined = joinVectors(a, b)
      const expected = seen(a).map((hlc, actor) => Math.max(hlc, seen(b)[actor]))
      assert.deepEqual(seen(joined), expected)
      assert.equal(joined.length, expected.filter((hlc) => hlc > 0).length)
      assert.deepEqual(
        joined,
        joined.toSorted((x, y) => x.actor - y.actor),
      )
    }),
  )
})

t.test('a vector covers a dot, and another vector, when it has seen as much of each actor', async (t) => {
  holds(
    t,
    fc.property(vector, vector, fc.nat(4), fc.integer({ min: 1, max: 5 }), (a, b, actor, hlc) => {
      assert.equal(coversDot(a, { actor, hlc }), seen(a)[actor] >= hlc)
      assert.equal(
        coversVector(a, b),
        seen(b).every((other, index) => seen(a)[index] >= other),
      )
    }),
  )
})

t.test('comparing vectors tells equal, before, after and concurrent apart', async (t) => {
  const a = [{ actor: 1, hlc: 5 }]
  const b = [
    { actor: 1, hlc: 5 },
    { actor: 2, hlc: 1 },
  ]
  const c = [{ actor: 1, hlc: 6 }]
  t.equal(compareVectors(a, a), 'equal')
  t.equal(compareVectors(a, b), 'before')
  t.equal(compareVectors(b, a), 'after')
  t.equal(compareVectors(b, c), 'concurrent')
  t.equal(compareVectors([], a), 'before')
  t.equal(compareVectors([], []), 'equal')
})

t.test('dots rank by HLC and then by actor, and the newest HLC of a vector is its highest', async (t) => {
  t.ok(compareDots({ actor: 1, hlc: 2 }, { actor: 9, hlc: 1 }) > 0)
  t.ok(compareDots({ actor: 1, hlc: 2 }, { actor: 9, hlc: 2 }) < 0)
  t.equal(compareDots({ actor: 1, hlc: 2 }, { actor: 1, hlc: 2 }), 0)
  t.equal(newestHlc([]), 0)
  t.equal(
    newestHlc([
      { actor: 1, hlc: 7 },
      { actor: 2, hlc: 5 },
    ]),
    7,
  )
})

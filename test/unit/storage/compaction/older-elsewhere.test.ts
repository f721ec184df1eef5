import fc from 'fast-check'
import t from 'tap'
import { OlderElsewhere } from '../../../../src/storage/compaction/older-elsewhere.js'
import { holds } from '../../util/holds.js'

t.test('T4 a range is asked by its tokens, both ends included, and by its lowest sequence', async (t) => {
  const older = new OlderElsewhere([{ minToken: 10, maxToken: 20, minSequence: 5 }])
  t.equal(older.mayHold(9, 100), false)
  t.equal(older.mayHold(10, 5), false, 'the entry itself is not older than itself')
  t.equal(older.mayHold(10, 6), true)
  t.equal(older.mayHold(20, 6), true)
  t.equal(older.mayHold(21, 100), false)
})

t.test('T4 the answer for ascending tokens is that of looking through all ranges', async (t) => {
  const small = fc.integer({ min: 0, max: 30 })
  const range = fc.tuple(small, small, small).map(([a, b, minSequence]) => ({
    minToken: Math.min(a, b),
    maxToken: Math.max(a, b),
    minSequence,
  }))
  holds(
    t,
    fc.property(fc.array(range, { maxLength: 12 }), fc.array(fc.tuple(small, small)), (ranges, questions) => {
      const older = new OlderElsewhere(ranges)
      return questions
        .toSorted(([a], [b]) => a - b)
        .every(([token, sequence]) => {
          const covers = ranges.filter((range) => range.minToken <= token && token <= range.maxToken)
          return older.mayHold(token, sequence) === covers.some((range) => range.minSequence < sequence)
        })
    }),
  )
})

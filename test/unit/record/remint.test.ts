import t from 'tap'
import fc from 'fast-check'
import { holds } from '../util/holds.js'
import { mergeRecords } from '../../../src/record/merge.js'
import { deletionSibling, encodeRecord, valueSibling, verifyRecord } from '../../../src/record/record.js'
import type { RecordValue, Sibling } from '../../../src/record/record.js'
import { remint } from '../../../src/record/remint.js'
import type { Dot } from '../../../src/record/version-vector.js'
import { coversDot, newestHlc } from '../../../src/record/version-vector.js'
import { KEY, plain, soundRecord } from './arbitrary-record.js'

/** Arbitrary stamps are 1 to 6: the last three of them lie in the future. */
const LIMIT = 3500
const NOW = 3200
/** Behind and before the last stamps that stay. */
const times = fc.constantFrom(NOW, 2500, 0)
const FRESH = 99

function spread(record: RecordValue): RecordValue {
  const wide = <T extends Dot>(dot: T): T => ({ ...dot, hlc: dot.hlc * 1000 })
  return { ...record, context: record.context.map(wide), siblings: record.siblings.map(wide) }
}

const anyAge = soundRecord.map(spread)
/** What other nodes may hold: nothing from the future. */
const ofPeers = anyAge.map((record) => ({
  ...record,
  context: record.context.map(({ actor, hlc }) => ({ actor, hlc: Math.min(hlc, 3000) })),
  siblings: record.siblings.filter(({ hlc }) => hlc < LIMIT),
}))

const reminted = (record: RecordValue, now = NOW): RecordValue => remint(record, LIMIT, FRESH, now)
const isFuture = ({ hlc }: Dot): boolean => hlc >= LIMIT
/** What a client sees of siblings, whatever their dots. */
const contents = (siblings: readonly Sibling[]): string[] =>
  siblings.map(({ kind, expireAtMs, value }) => `${kind} ${expireAtMs} ${Buffer.from(value).toString()}`)

t.test(
  'C2 nothing of a reminted record is from the future, and all contents stay, in their order',
  async (t) => {
    holds(
      t,
      fc.property(anyAge, (record) => {
        const after = reminted(record)
        const future = record.siblings.filter(isFuture).length
        const rest = (siblings: readonly Sibling[]): string =>
          JSON.stringify(plain({ ...record, context: [], siblings: siblings.slice(future) }))
        const encoded = encodeRecord(after)
        return (
          verifyRecord(encoded, 0, encoded.length) === null &&
          !after.context.some(isFuture) &&
          !after.siblings.some(isFuture) &&
          JSON.stringify(contents(after.siblings)) === JSON.stringify(contents(record.siblings)) &&
          rest(after.siblings) === rest(record.siblings)
        )
      }),
      { numRuns: 1000 },
    )
  },
)

t.test('C2 V4 new dots are of the fresh actor and exceed the clock and every entry that stays', async (t) => {
  holds(
    t,
    fc.property(anyAge, times, (record, now) => {
      const after = reminted(record, now)
      const others = after.context.filter(({ actor }) => actor !== FRESH)
      const floor = Math.max(now, newestHlc(others))
      const fresh = after.siblings.slice(0, record.siblings.filter(isFuture).length)
      return (
        fresh.every(({ actor, hlc }) => actor === FRESH && hlc > floor) &&
        new Set(fresh.map(({ hlc }) => hlc)).size === fresh.length &&
        after.context.length === record.context.length + Math.min(1, fresh.length)
      )
    }),
    { numRuns: 1000 },
  )
})

t.test('C2 a reminted record has seen all that it had seen before the future began', async (t) => {
  holds(
    t,
    fc.property(anyAge, times, (record, now) =>
      record.context.every(({ actor, hlc }) =>
        coversDot(reminted(record, now).context, { actor, hlc: hlc < LIMIT ? hlc : now }),
      ),
    ),
    { numRuns: 1000 },
  )
})

t.test('C2 with what a peer holds, it merges to what the record from the future would have', async (t) => {
  const values = (a: RecordValue, b: RecordValue): string =>
    JSON.stringify(contents(mergeRecords(a, b, 'siblings').record.siblings))
  holds(
    t,
    fc.property(anyAge, ofPeers, (record, peer) => values(reminted(record), peer) === values(record, peer)),
    { numRuns: 5000 },
  )
})

t.test(
  'C2 a record without stamps from the future stays the same one, so a second run changes nothing',
  async (t) => {
    holds(
      t,
      fc.property(anyAge, (record) => {
        const after = reminted(record)
        const isSound = !record.context.some(isFuture)
        return remint(after, LIMIT, FRESH + 1, NOW) === after && (after === record) === isSound
      }),
      { numRuns: 1000 },
    )
  },
)

t.test('C2 an older version of the same actor on a peer does not come back', async (t) => {
  const old = {
    key: KEY,
    context: [{ actor: 1, hlc: 1000 }],
    siblings: [valueSibling({ actor: 1, hlc: 1000 }, Buffer.from('old'), 0)],
  }
  const gone = {
    key: KEY,
    context: [{ actor: 1, hlc: 9000 }],
    siblings: [deletionSibling({ actor: 1, hlc: 9000 })],
  }
  const { record } = mergeRecords(old, reminted(gone), 'siblings')
  t.same(
    plain(record),
    plain({
      key: KEY,
      context: [
        { actor: 1, hlc: NOW },
        { actor: FRESH, hlc: NOW + 1 },
      ],
      siblings: [deletionSibling({ actor: FRESH, hlc: NOW + 1 })],
    }),
  )
})

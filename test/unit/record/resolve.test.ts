import t from 'tap'
import fc from 'fast-check'
import { holds } from '../util/holds.js'
import {
  RECORD_BYTES_MAX,
  RECORD_BYTES_MERGED_MAX,
  SIBLINGS_MAX,
  capExceeded,
} from '../../../src/record/caps.js'
import { mergeRecords } from '../../../src/record/merge.js'
import { encodedBytes, valueSibling, type RecordValue } from '../../../src/record/record.js'
import { resolveRecord } from '../../../src/record/resolve.js'
import { coversDot, coversVector, newestHlc, type VersionVector } from '../../../src/record/version-vector.js'
import { KEY, soundRecord } from './arbitrary-record.js'

/** A write by `actor` at `hlc` over `local`, by a client that has seen `context`. */
function write(local: RecordValue | null, context: VersionVector, actor: number, hlc: number): RecordValue {
  return resolveRecord(KEY, local, context, valueSibling({ actor, hlc }, Buffer.from(`${actor}@${hlc}`), 0))
}

const hlcs = (record: RecordValue) => record.siblings.map((sibling) => sibling.hlc)

function merge(a: RecordValue, b: RecordValue): RecordValue {
  return mergeRecords(a, b, 'siblings').record
}

t.test('V3 a write replaces exactly what its writer has seen, and joins all contexts', async (t) => {
  holds(
    t,
    fc.property(
      fc.option(soundRecord),
      soundRecord,
      fc.integer({ min: 1, max: 4 }),
      (local, client, actor) => {
        const resolved = write(local, client.context, actor, 100)
        const kept = (local?.siblings ?? []).filter((sibling) => !coversDot(client.context, sibling))
        return (
          JSON.stringify(hlcs(resolved)) === JSON.stringify([100, ...kept.map((sibling) => sibling.hlc)]) &&
          coversVector(resolved.context, client.context) &&
          coversVector(resolved.context, local?.context ?? []) &&
          coversDot(resolved.context, { actor, hlc: 100 }) &&
          newestHlc(resolved.context) === 100
        )
      },
    ),
    { numRuns: 1000 },
  )
})

t.test(
  'V3 the whole record is what must travel: the new sibling alone would lose an acknowledged write',
  async (t) => {
    const first = write(null, [], 1, 10)
    const second = write(first, [], 1, 11)
    t.same(hlcs(second), [11, 10], 'the second writer had seen nothing, so both stand')
    t.same(hlcs(merge(first, second)), [11, 10], 'on a replica that has the first')
    const alone = { ...second, siblings: second.siblings.slice(0, 1) }
    t.same(hlcs(merge(first, alone)), [11], 'sent alone, it takes the first one with it')
  },
)

t.test('V3 with the local context left out, an overwritten value would come back', async (t) => {
  const old = write(null, [], 1, 10)
  const local = write(old, old.context, 2, 11)
  const resolved = write(local, [{ actor: 2, hlc: 11 }], 3, 12)
  t.same(hlcs(merge(old, resolved)), [12])
  const careless = { ...resolved, context: resolved.context.filter((entry) => entry.actor !== 1) }
  t.same(hlcs(merge(old, careless)), [12, 10])
})

t.test('V4 a dot that does not exceed every entry of both contexts is a bug and is refused', async (t) => {
  const local = write(null, [], 1, 10)
  const context = [{ actor: 2, hlc: 20 }]
  t.throws(() => write(local, context, 3, 20), { name: 'AssertionError' })
  t.throws(() => write(local, [], 3, 10), { name: 'AssertionError' })
  t.doesNotThrow(() => write(local, context, 3, 21))
})

t.test('V2 a write minted on a base that is no longer current hides the write in between', async (t) => {
  const base = write(null, [], 1, 10)
  const between = write(base, base.context, 1, 11)
  const stale = write(base, base.context, 1, 12)
  const current = write(between, base.context, 1, 12)
  t.same(hlcs(merge(between, stale)), [12], 'the acknowledged write in between is lost')
  t.same(hlcs(merge(between, current)), [12, 11], 'read, minted and appended in one step, both stand')
})

t.test('V8 the 65th sibling is refused where it is minted, and so is one byte too many', async (t) => {
  let record = write(null, [], 1, 1)
  for (let hlc = 2; hlc <= SIBLINGS_MAX; hlc++) record = write(record, [], 1, hlc)
  t.equal(record.siblings.length, 64)
  t.equal(capExceeded(record.siblings.length, encodedBytes(record)), null)
  const next = write(record, [], 1, SIBLINGS_MAX + 1)
  t.equal(capExceeded(next.siblings.length, encodedBytes(next)), 'too-many-siblings')
  const resolved = write(record, record.context, 1, SIBLINGS_MAX + 1)
  t.equal(capExceeded(resolved.siblings.length, encodedBytes(resolved)), null)
  t.equal(capExceeded(1, RECORD_BYTES_MAX), null)
  t.equal(capExceeded(1, RECORD_BYTES_MAX + 1), 'too-many-bytes')
  t.equal(capExceeded(2, encodedBytes(record), encodedBytes(record) - 1), 'too-many-bytes')
})

t.test(
  'V8 a value of 512 MiB can be minted, and seven records at the cap can still be merged into one',
  async (t) => {
    t.ok(512 * 2 ** 20 + 2 ** 24 < RECORD_BYTES_MAX)
    t.ok(7 * RECORD_BYTES_MAX < RECORD_BYTES_MERGED_MAX)
  },
)

t.test('V3 interleaved writers who bring their contexts back never pile up siblings', async (t) => {
  let record = write(null, [], 1, 1)
  const contexts: VersionVector[] = [record.context, record.context]
  let most = 0
  for (let turn = 0; turn < 1000; turn++) {
    record = write(record, contexts[turn % 2], 1, turn + 2)
    contexts[turn % 2] = record.context
    most = Math.max(most, record.siblings.length)
  }
  t.equal(most, 2)
})

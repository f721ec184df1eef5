/** A disk may be taken away only while every other replica has, durably, all that it has. */
import t from 'tap'
import { deletionSibling, encodeRecord, valueSibling } from '../../../src/record/record.js'
import type { RecordValue } from '../../../src/record/record.js'
import { mayLose } from '../../../src/sim/run/fault-model.js'
import type { StoreDump } from '../../../src/sim/run/store-dump.js'

const HOUR_MS = 3_600_000

function held(actor: number, hlc: number, isDeletion = false): RecordValue {
  const dot = { actor, hlc }
  const sibling = isDeletion ? deletionSibling(dot) : valueSibling(dot, Buffer.from('value'), 0)
  return { key: Buffer.from('key'), context: [dot], siblings: [sibling] }
}

function dump(node: string, record: RecordValue | null, horizonMs = 0, flushMark = 0): StoreDump {
  const records = new Map<string, StoreDump['records'] extends ReadonlyMap<string, infer R> ? R : never>()
  if (record !== null) {
    records.set('key', { siblings: [], bytes: Buffer.from(encodeRecord(record)), decoded: record })
  }
  return { node, records, flushMark, horizonMs: () => horizonMs }
}

const all = (): readonly string[] => ['a', 'b', 'c']

t.test('a disk may be lost while the other replicas have all of it', async (t) => {
  const [first, second] = [held(1, 5000), held(2, 6000)]
  t.ok(mayLose(dump('a', first), [dump('b', first), dump('c', first)], all))
  t.notOk(mayLose(dump('a', first), [dump('b', first), dump('c', null)], all), 'one lacks it')
  t.notOk(mayLose(dump('a', first), [dump('b', first), dump('c', second)], all), 'one has another value')
  t.ok(mayLose(dump('a', first), [dump('b', first), dump('d', null)], all), 'who is no replica need not')
  t.ok(mayLose(dump('a', null), [dump('b', first), dump('c', null)], all), 'it has nothing')
  const over: RecordValue = { ...second, context: [...first.context, ...second.context] }
  t.ok(mayLose(dump('a', first), [dump('b', over), dump('c', over)], all), 'they have something newer')
  t.notOk(mayLose(dump('a', over), [dump('b', over), dump('c', first)], all), 'one is behind')
})

t.test('what was flushed or purged is missed by nobody, and a mark that only it has is', async (t) => {
  const gone = held(1, 5000, true)
  const later = Date.UTC(2025, 0, 1) + HOUR_MS
  t.notOk(mayLose(dump('a', gone), [dump('b', null), dump('c', null)], all))
  t.ok(mayLose(dump('a', gone), [dump('b', null, later), dump('c', null, later)], all))
  t.notOk(mayLose(dump('a', null, 0, 9), [dump('b', null, 0, 9), dump('c', null)], all))
})

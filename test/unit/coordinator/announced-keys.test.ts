/** Keys that are announced ahead of their requests are found as any others, wherever announcements and requests differ. */
import t from 'tap'
import { LIVE } from '../../../src/coordinator/keyspace.js'
import { AHEAD_MAX } from '../../../src/coordinator/announced-keys.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'

const KEYS = Array.from({ length: AHEAD_MAX }, (_, i) => `key ${String(i).padStart(2, '0')}`)
const KEY_BYTES = KEYS[0].length
const TOGETHER = Buffer.from(KEYS.join(''))

async function filled(): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed('announced', { ...TINY, blockCacheBytes: 64 * 4096 })
  await machine.start()
  for (const key of KEYS) {
    const bytes = Buffer.from(key)
    await machine.admission(600)
    machine.keyspace.beginBatch()
    machine.keyspace.find(bytes, 0, bytes.length)
    machine.keyspace.set(bytes, 0, bytes.length, bytes, 0, bytes.length, 0)
    await machine.settle()
  }
  return machine
}

function announceAll({ keyspace }: StorageMachine, bytes: Buffer): void {
  keyspace.beginBatch()
  keyspace.announced.begin(bytes)
  for (let i = 0; i < KEYS.length; i++) keyspace.announced.announce(i * KEY_BYTES, (i + 1) * KEY_BYTES)
  keyspace.announced.prefetch()
}

function valueAt(machine: StorageMachine, bytes: Buffer, start: number, end: number): string | null {
  machine.keyspace.beginRequest()
  return machine.keyspace.find(bytes, start, end) === LIVE ? machine.shown().value : null
}

t.test('announced keys are found, in memtables and in tables', async (t) => {
  const machine = await filled()
  for (const where of ['memtables', 'tables']) {
    announceAll(machine, TOGETHER)
    for (let i = 0; i < KEYS.length; i++) {
      t.equal(valueAt(machine, TOGETHER, i * KEY_BYTES, (i + 1) * KEY_BYTES), KEYS[i], where)
      t.equal(valueAt(machine, TOGETHER, i * KEY_BYTES, (i + 1) * KEY_BYTES), KEYS[i], 'and once more')
    }
    await machine.stop()
    await machine.start()
    await machine.rest()
    for (const key of KEYS) await machine.get(key)
  }
})

t.test('requests may skip, repeat and differ from what was announced', async (t) => {
  const machine = await filled()
  announceAll(machine, TOGETHER)
  const at = (i: number): string | null => valueAt(machine, TOGETHER, i * KEY_BYTES, (i + 1) * KEY_BYTES)
  for (const i of [5, 2, 30, 30, 7, 31, 0]) t.equal(at(i), KEYS[i])
  t.equal(
    valueAt(machine, TOGETHER, 3 * KEY_BYTES, 3 * KEY_BYTES + 1),
    null,
    'another key from the same place on',
  )
  t.equal(valueAt(machine, TOGETHER, 1, 1 + KEY_BYTES), null, 'a key across two')
})

t.test('an announcement holds for its own bytes and its own batch only', async (t) => {
  const machine = await filled()
  const others = Buffer.from([...KEYS].reverse().join(''))
  announceAll(machine, TOGETHER)
  t.equal(valueAt(machine, others, 0, KEY_BYTES), KEYS.at(-1), 'other bytes, same place')
  const reused = Buffer.from(TOGETHER)
  announceAll(machine, reused)
  others.copy(reused)
  machine.keyspace.beginBatch()
  t.equal(valueAt(machine, reused, 0, KEY_BYTES), KEYS.at(-1), 'the next read came into the same buffer')
})

t.test('a long key is found without its announcement', async (t) => {
  const machine = await filled()
  const bytes = Buffer.from('x'.repeat(300) + KEYS[4])
  machine.keyspace.beginBatch()
  machine.keyspace.announced.begin(bytes)
  machine.keyspace.announced.announce(0, 300)
  machine.keyspace.announced.announce(300, bytes.length)
  machine.keyspace.announced.prefetch()
  t.equal(valueAt(machine, bytes, 0, 300), null)
  t.equal(valueAt(machine, bytes, 300, bytes.length), KEYS[4])
})

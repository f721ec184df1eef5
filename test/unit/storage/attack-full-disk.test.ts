/** A disk that fills up before disk-reserve notices: the reserve is smaller than what the next log and flush take. */
import t from 'tap'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'

const ROOM_BYTES = 12 * 1024

async function put(machine: StorageMachine, key: string): Promise<void> {
  const bytes = Buffer.from(key)
  const value = Buffer.alloc(300, key)
  await machine.admission(1000)
  machine.keyspace.beginBatch()
  machine.keyspace.find(bytes, 0, bytes.length)
  machine.keyspace.set(bytes, 0, bytes.length, value, 0, value.length, 0)
  await machine.settle()
}

async function refusalOf(machine: StorageMachine): Promise<unknown> {
  for (let i = 0; i < 200; i++) {
    try {
      await put(machine, `key ${i}`)
    } catch (error) {
      return error
    }
  }
  return null
}

t.test('without room for the next log writes are refused, and taken again when there is room', async (t) => {
  const machine = StorageMachine.fromSeed('no room for the next log', { ...TINY, diskReserveBytes: 0 })
  await machine.start()
  await put(machine, 'first')
  const { disk } = machine.env
  disk.setCapacity(disk.usedBytes + ROOM_BYTES)
  t.match(await refusalOf(machine), { code: 'disk-full' })
  t.equal(machine.store.logFailure, null, 'the log itself is whole')
  t.equal((await machine.get('first'))?.value.length, 300)
  disk.setCapacity(disk.usedBytes + 1024 * 1024)
  await machine.until(() => !machine.store.facts().diskIsFull, 'the room is noticed')
  await put(machine, 'after')
  t.equal((await machine.get('after'))?.value.length, 300)
})

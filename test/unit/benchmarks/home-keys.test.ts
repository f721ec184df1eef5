import t from 'tap'
import { homesOf, keysByHome } from '../../../benchmarks/load/home-keys.js'
import { KEY_BYTES, Requests, writeKey } from '../../../benchmarks/load/requests.js'
import { slotOf } from '../../../src/ring/slot.js'

const HOST = Buffer.from('127.0.0.1')
const NODES = [8001, 8002].map((port) => ({ host: '127.0.0.1', port }))

t.test('homes are the first node of each entry, by address', async (t) => {
  const slots = [
    [0, 99, [HOST, 8002, Buffer.from('id')], [HOST, 8001]],
    [100, 16000, [HOST, 8001], [HOST, 8002]],
    [16001, 16383, [HOST, 8002]],
  ]
  t.same(homesOf(slots, NODES), [
    [{ firstSlot: 100, lastSlot: 16000 }],
    [
      { firstSlot: 0, lastSlot: 99 },
      { firstSlot: 16001, lastSlot: 16383 },
    ],
  ])
})

t.test('slots without a home, unknown nodes and errors are refused', async (t) => {
  t.throws(() => homesOf([[0, 16382, [HOST, 8001]]], NODES), /16383 slots/)
  t.throws(() => homesOf([[0, 16383, [HOST, 9000]]], NODES), /127.0.0.1:9000/)
  t.throws(() => homesOf(new Error('ERR unknown command'), NODES), /unknown command/)
})

t.test('every key belongs to the node whose slot it has, and to no other', async (t) => {
  const homes = [
    [
      { firstSlot: 0, lastSlot: 4000 },
      { firstSlot: 9000, lastSlot: 9999 },
    ],
    [{ firstSlot: 4001, lastSlot: 8999 }],
  ]
  const keys = 2000
  const found = keysByHome(keys, homes)
  const node = new Map(found.flatMap((own, index) => [...own].map((key) => [key, index] as const)))
  t.equal(node.size, found[0].length + found[1].length, 'no key twice')
  for (let key = 0; key < keys; key++) {
    const name = Buffer.from(`key:${String(key).padStart(12, '0')}`)
    const slot = slotOf(name, 0, name.length)
    const expected = homes.findIndex((ranges) =>
      ranges.some(({ firstSlot, lastSlot }) => slot >= firstSlot && slot <= lastSlot),
    )
    t.equal(node.get(key) ?? -1, expected, `key ${key} of slot ${slot}`)
  }
})

t.test('the key that is hashed is the key that is sent', async (t) => {
  const requests = new Requests(3, () => 0.5)
  const sent = Buffer.alloc(requests.getBytes)
  const name = Buffer.alloc(KEY_BYTES, 'x')
  for (const key of [0, 7, 120034, 999_999_999_999]) {
    requests.writeGet(sent, 0, key)
    writeKey(name, 0, key)
    t.equal(sent.toString(), `*2\r\n$3\r\nGET\r\n$16\r\n${name.toString()}\r\n`)
  }
})

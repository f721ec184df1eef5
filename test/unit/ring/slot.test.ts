import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { SLOT_COUNT, slotOf } from '../../../src/ring/slot.js'
import { holds } from '../util/holds.js'
import { keyslots } from './redis-keyslots.js'

const slot = (key: string) => slotOf(Buffer.from(key), 0, Buffer.byteLength(key))

t.test('slots are those that Redis publishes', async (t) => {
  t.equal(slot('foo'), 12182)
  t.equal(slot('bar'), 5061)
  t.equal(slot('123456789'), 0x31c3, 'the check value of CRC16/XMODEM')
  t.equal(slot(''), 0)
})

t.test(
  'a hash tag stands for the key, by the first brace that opens and the first that closes after it',
  async (t) => {
    t.equal(slot('{user1000}.following'), slot('{user1000}.followers'))
    t.equal(slot('{user1000}.following'), slot('user1000'))
    t.equal(slot('foo{{bar}}zap'), slot('{bar'))
    t.equal(slot('foo{bar}{zap}'), slot('bar'))
    t.equal(slot('foo{bar}zap{}'), slot('bar'))
    t.equal(slot('}{bar}'), slot('bar'))
  },
)

t.test('an empty tag, or one that never closes, is no tag', async (t) => {
  const plain = (key: string) => {
    let crc = 0
    for (const byte of Buffer.from(key)) {
      crc ^= byte << 8
      for (let bit = 0; bit < 8; bit++)
        crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
    }
    return crc % SLOT_COUNT
  }
  for (const key of ['foo{}{bar}', '{}', '{', '}', 'foo{bar', 'foo}bar{', '{}{x}', 'a{}'])
    t.equal(slot(key), plain(key), key)
})

t.test('a slot depends on the given range alone', async (t) => {
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ maxLength: 9 }), (key, around) => {
      const memory = Buffer.concat([around, key, Buffer.from('}{x}')])
      const inside = slotOf(memory, around.length, around.length + key.length)
      assert.equal(inside, slotOf(key, 0, key.length))
      assert.ok(inside >= 0 && inside < SLOT_COUNT)
    }),
  )
})

t.test('slots of random keys, rich in braces, are those that redis-server computes', async (t) => {
  const byte = fc.oneof({ arbitrary: fc.nat(255), weight: 2 }, fc.constantFrom(0x7b, 0x7d))
  const keys = fc.sample(fc.array(byte, { maxLength: 12 }), 2000).map((key) => Buffer.from(key))
  const expected = await keyslots(keys)
  const wrong = keys.filter((key, index) => slotOf(key, 0, key.length) !== expected[index])
  t.same(
    wrong.map((key) => key.toString('hex')),
    [],
  )
})

import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import * as bytes from '../../../src/util/bytes.js'
import { holds } from './holds.js'

const INTEGERS = [
  { name: 'u16', size: 2, max: 2 ** 16 - 1, read: bytes.readU16, write: bytes.writeU16 },
  { name: 'u24', size: 3, max: 2 ** 24 - 1, read: bytes.readU24, write: bytes.writeU24 },
  { name: 'u32', size: 4, max: 2 ** 32 - 1, read: bytes.readU32, write: bytes.writeU32 },
  { name: 'u48', size: 6, max: 2 ** 48 - 1, read: bytes.readU48, write: bytes.writeU48 },
  { name: 'u53', size: 7, max: 2 ** 53 - 1, read: bytes.readU53, write: bytes.writeU53 },
]

for (const { name, size, max, read, write } of INTEGERS) {
  t.test(
    `${name} is read back at every power of two and its neighbours, in little-endian bytes`,
    async (t) => {
      const wrong: number[] = []
      const values = [0, max, max - 1]
      for (let power = 1; power <= max; power *= 2) values.push(power - 1, power, power + 1)
      for (const value of values) {
        if (value > max) continue
        const memory = Buffer.alloc(size + 4, 0xaa)
        write(memory, 2, value)
        const expected = BigInt(value)
          .toString(16)
          .padStart(size * 2, '0')
        const stored = Buffer.from(memory.subarray(2, 2 + size))
          .reverse()
          .toString('hex')
        const fenced = memory.readUInt16LE(0) === 0xaaaa && memory.readUInt16LE(2 + size) === 0xaaaa
        if (read(memory, 2) !== value || stored !== expected || !fenced) wrong.push(value)
      }
      t.same(wrong, [])
    },
  )

  t.test(`${name} is read back for any value, in shared memory too`, async (t) => {
    const memory = Buffer.from(new SharedArrayBuffer(16))
    holds(
      t,
      fc.property(fc.maxSafeNat(), fc.nat(8), (seed, at) => {
        const value = max === Number.MAX_SAFE_INTEGER ? seed : seed % (max + 1)
        write(memory, at, value)
        assert.equal(read(memory, at), value)
      }),
    )
  })
}

t.test('readI32 is the signed reading of what writeU32 wrote', async (t) => {
  const memory = Buffer.alloc(4)
  for (const value of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 32 - 1]) {
    bytes.writeU32(memory, 0, value)
    t.equal(bytes.readI32(memory, 0), value | 0)
  }
})

t.test(
  'copying takes exactly the range, at every length, within one array and between kinds of memory',
  async (t) => {
    const size = 400
    const wrong: string[] = []
    const memories = () => [
      Buffer.alloc(2 * size, 0xee),
      Buffer.from(new SharedArrayBuffer(2 * size)).fill(0xee),
    ]
    for (let length = 0; length <= 300; length++) {
      for (const into of memories()) {
        for (const from of [...memories(), into]) {
          for (let i = 0; i < length; i++) from[11 + i] = i + length
          bytes.copyBytes(from, 11, 11 + length, into, size + 5)
          const copied = into.subarray(size + 5, size + 5 + length).equals(from.subarray(11, 11 + length))
          if (!copied || into[size + 4] !== 0xee || into[size + 5 + length] !== 0xee) wrong.push(`${length}`)
        }
      }
    }
    t.same(wrong, [])
  },
)

t.test('comparing byte ranges orders them as Buffer.compare does, a prefix first', async (t) => {
  const short = fc.uint8Array({ maxLength: 4, max: 3 })
  holds(
    t,
    fc.property(short, short, fc.nat(5), (a, b, gap) => {
      const padded = Buffer.concat([Buffer.alloc(gap, 9), b, Buffer.alloc(3, 9)])
      const order = bytes.compareBytes(a, 0, a.length, padded, gap, gap + b.length)
      assert.equal(Math.sign(order), Buffer.compare(a, b))
      if (a.length !== b.length) return
      assert.equal(bytes.equalBytes(a, 0, padded, gap, a.length), Buffer.compare(a, b) === 0)
    }),
    { numRuns: 1000 },
  )
})

import t from 'tap'
import fc from 'fast-check'
import { holds } from '../util/holds.js'
import { writeU32 } from '../../../src/util/bytes.js'
import { xxh32 } from '../../../src/util/xxhash.js'
import * as layout from '../../../src/record/layout.js'
import { decodeRecord, encodeRecord, verifyRecord } from '../../../src/record/record.js'
import { anyRecord } from './arbitrary-record.js'
import { GOLDEN_NAMES, readGolden } from './golden.js'

/** Makes the record's own checksum fit what its bytes say now, as far as they say anything possible. */
function sealHead(bytes: Buffer): boolean {
  const head = layout.valuesStart(bytes, 0)
  if (head > bytes.length) return false
  writeU32(bytes, 0, xxh32(bytes, 4, head, 0))
  return true
}

/** A byte array that fails the test when a byte at or beyond `end` is read. */
function fenced(bytes: Uint8Array, end: number): Uint8Array {
  return new Proxy(bytes, {
    get(target, property) {
      if (typeof property === 'string' && Number(property) >= end)
        throw new Error(`read byte ${property} of ${end}`)
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

for (const name of GOLDEN_NAMES) {
  t.test(`no single flipped bit of the golden record "${name}" passes`, async (t) => {
    const { bytes } = readGolden(name)
    const passed: number[] = []
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7)
      if (verifyRecord(bytes, 0, bytes.length) === null) passed.push(bit)
      bytes[bit >> 3] ^= 1 << (bit & 7)
    }
    t.same(passed, [])
    t.equal(verifyRecord(bytes, 0, bytes.length), null)
  })

  t.test(
    `the golden record "${name}" cut at any byte is truncated, and bytes behind it do not matter`,
    async (t) => {
      const { bytes } = readGolden(name)
      const faults = new Set<string | null>()
      for (let length = 0; length < bytes.length; length++) {
        faults.add(verifyRecord(bytes, 0, length))
        faults.add(verifyRecord(bytes.subarray(0, length), 0, bytes.length))
      }
      t.same([...faults], ['truncated'])
      t.equal(verifyRecord(Buffer.concat([bytes, bytes]), 0, 2 * bytes.length), null)
    },
  )
}

t.test('any record with any bit flipped is refused', async (t) => {
  holds(
    t,
    fc.property(anyRecord, fc.nat(), (record, nat) => {
      const bytes = encodeRecord(record)
      const bit = nat % (bytes.length * 8)
      bytes[bit >> 3] ^= 1 << (bit & 7)
      return verifyRecord(bytes, 0, bytes.length) !== null
    }),
    { numRuns: 2000 },
  )
})

t.test(
  'mutated bytes under a checksum that fits are refused, or are a record in its one encoding',
  async (t) => {
    const mutation = fc.record({ at: fc.nat(), byte: fc.nat(255) })
    let accepted = 0
    holds(
      t,
      fc.property(anyRecord, fc.array(mutation, { minLength: 1, maxLength: 3 }), (record, mutations) => {
        const bytes = encodeRecord(record)
        for (const { at, byte } of mutations) bytes[4 + (at % (layout.valuesStart(bytes, 0) - 4))] = byte
        if (!sealHead(bytes) || verifyRecord(bytes, 0, bytes.length) !== null) return true
        accepted++
        const length = layout.recordLength(bytes, 0)
        return encodeRecord(decodeRecord(bytes, 0)).equals(bytes.subarray(0, length))
      }),
      { numRuns: 5000 },
    )
    t.ok(accepted > 100, 'mutations of a key, say, leave a valid record')
  },
)

t.test('arbitrary bytes never make verifying or decoding throw', async (t) => {
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, at) => {
      verifyRecord(bytes, at, bytes.length - at)
      decodeRecord(bytes, at)
    }),
    { numRuns: 2000 },
  )
  t.equal(verifyRecord(Buffer.alloc(0), 0, 0), 'truncated')
  t.equal(verifyRecord(Buffer.alloc(64), 70, 64), 'truncated')
})

t.test('no byte beyond the available ones is read, whatever the lengths in them claim', async (t) => {
  holds(
    t,
    fc.property(
      anyRecord,
      fc.nat(),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      (record, cut, changes) => {
        const bytes = encodeRecord({
          ...record,
          siblings: record.siblings.map((sibling) => ({ ...sibling, value: Buffer.from('v') })),
        })
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        sealHead(bytes)
        const end = cut % (bytes.length + 1)
        verifyRecord(fenced(bytes, end), 0, end)
        verifyRecord(fenced(bytes, bytes.length), 0, bytes.length)
      },
    ),
    { numRuns: 1000 },
  )
})

t.test('each fault has its name', async (t) => {
  const { bytes: good } = readGolden('two-siblings')
  const contextAt = layout.contextStart(good, 0)
  const siblingsAt = layout.siblingsStart(good, 0)
  const fault = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(good)
    change(bytes)
    sealHead(bytes)
    return verifyRecord(bytes, 0, bytes.length)
  }
  t.equal(
    fault((b) => (b[8] = 2)),
    'unknown-format',
  )
  t.equal(
    fault((b) => (b[4] += 1)),
    'truncated',
  )
  t.equal(
    fault((b) => (b[4] -= 1)),
    'lengths',
    'values longer than the record',
  )
  t.equal(
    fault((b) => (b[siblingsAt + 24 + 16] += 1)),
    'lengths',
    'a value that goes on beyond the record',
  )
  t.equal(
    fault((b) => (b[siblingsAt + 24 + 16] -= 1)),
    'value-checksum',
    'value shorter than its checksum says',
  )
  t.equal(
    fault((b) => (b[11] = 1)),
    'lengths',
    'a key longer than the record',
  )
  t.equal(
    fault((b) => (b[contextAt] = 0xff)),
    null,
    'another actor in the same place is another record',
  )
  t.equal(
    fault((b) => b.copy(b, contextAt, contextAt + 16, contextAt + 24)),
    'context',
    'the same actor twice',
  )
  t.equal(
    fault((b) => (b[contextAt + 7] = 1)),
    'context',
    'an actor above 2^53',
  )
  t.equal(
    fault((b) => (b[contextAt + 15] = 1)),
    'context',
    'an HLC above 2^53',
  )
  t.equal(
    fault((b) => (b[contextAt + 14] = 0x20)),
    'context',
    'an HLC of 54 bits',
  )
  t.equal(
    fault((b) => (b[siblingsAt + 14] = 3)),
    'siblings',
    'an actor outside the context',
  )
  t.equal(
    fault((b) => (b[siblingsAt] += 1)),
    'siblings',
    'a dot that the context has not seen',
  )
  t.equal(
    fault((b) => (b[siblingsAt + 7] = 2)),
    'siblings',
    'an unknown kind',
  )
  t.equal(
    fault((b) => (b[siblingsAt + 8] = 1)),
    'siblings',
    'a deletion that expires',
  )
  t.equal(
    fault((b) => (b[siblingsAt + 20] = 1)),
    'siblings',
    'a deletion with a checksum',
  )
  t.equal(
    fault((b) => {
      b.set(good.subarray(siblingsAt, siblingsAt + 24), siblingsAt + 24)
      b.set(good.subarray(siblingsAt + 24, siblingsAt + 48), siblingsAt)
    }),
    'siblings',
    'the loser first',
  )
  t.equal(
    fault((b) => (b[b.length - 1] ^= 1)),
    'value-checksum',
  )
  const bytes = Buffer.from(good)
  bytes[layout.keyStart(0)] ^= 1
  t.equal(verifyRecord(bytes, 0, bytes.length), 'checksum')
})

t.test('a record without key and siblings is a record: the flush mark of the log is one', async (t) => {
  const bytes = encodeRecord({ key: Buffer.alloc(0), context: [{ actor: 7, hlc: 42 }], siblings: [] })
  t.equal(verifyRecord(bytes, 0, bytes.length), null)
})

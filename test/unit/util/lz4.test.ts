import fc from 'fast-check'
import t from 'tap'
import {
  lz4Compress,
  lz4CompressPlainly,
  lz4Expand,
  lz4ExpandPlainly,
  lz4IsNative,
} from '../../../src/util/lz4.js'

/** Bytes with repetitions near and far, and stretches without any. */
const INPUT = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc
        .tuple(fc.nat(255), fc.integer({ min: 1, max: 3000 }))
        .map(([byte, count]) => Buffer.alloc(count, byte)),
      fc.integer({ min: 1, max: 200 }).map((count) => Buffer.from('{"id":17,"name":"x"}'.repeat(count))),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts))

const FAR = Buffer.concat([
  Buffer.from('the same words'),
  Buffer.alloc(70_000),
  Buffer.from('the same words'),
])

function expanded(bytes: Uint8Array, length: number, expand: typeof lz4Expand): Buffer | null {
  const into = Buffer.alloc(length + 16, 0x5a)
  return expand(Buffer.from(bytes), into, 8, length) ? into : null
}

function holds(into: Buffer | null, original: Buffer): boolean {
  const border = Buffer.alloc(8, 0x5a)
  return into?.equals(Buffer.concat([border, original, border])) === true
}

t.test('the package runs here, so that both ways are compared', (t) => {
  t.ok(lz4IsNative)
  t.end()
})

t.test('what either way compresses both expand to what it was, and write nowhere else', (t) => {
  const isSame = (original: Buffer) =>
    [lz4Compress(original), lz4CompressPlainly(original)].every((packed) =>
      [lz4Expand, lz4ExpandPlainly].every((expand) =>
        holds(expanded(packed, original.length, expand), original),
      ),
    )
  t.ok(isSame(FAR), 'a repetition that is too far away')
  for (let length = 1; length < 40; length++) t.ok(isSame(Buffer.alloc(length, 7)), `${length} equal bytes`)
  fc.assert(
    fc.property(
      INPUT.filter(({ length }) => length > 0),
      isSame,
    ),
  )
  t.end()
})

t.test('without the package about as much is saved', (t) => {
  const text = Buffer.from(
    Array.from({ length: 80 }, (_, i) => `{"id":${i * 7919},"roles":["reader"]}`).join(),
  )
  t.ok(lz4CompressPlainly(text).length < lz4Compress(text).length * 1.2)
  t.end()
})

t.test(
  'bytes that are no block of that length are refused, whatever they are, and nothing beyond it is written',
  (t) => {
    const original = Buffer.from('{"id":17,"name":"x"}'.repeat(100))
    const packed = Buffer.from(lz4Compress(original))
    for (const expand of [lz4Expand, lz4ExpandPlainly]) {
      for (const length of [original.length - 1, original.length + 1]) {
        t.equal(expanded(packed, length, lz4Expand), null, `length ${length}`)
        const lying = Buffer.from(packed)
        lying.writeUInt32LE(length)
        t.equal(expanded(lying, length, expand), null, `length ${length}, and the bytes say so too`)
      }
      for (let end = 0; end < packed.length; end++)
        t.equal(expanded(packed.subarray(0, end), original.length, expand), null)
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 4, maxLength: 200 }), fc.nat(300), (bytes, length) => {
          const hostile = Buffer.from(bytes)
          hostile.writeUInt32LE(length)
          const into = Buffer.alloc(length + 16, 0x5a)
          expand(hostile, into, 8, length)
          const border = Buffer.alloc(8, 0x5a)
          return into.subarray(0, 8).equals(border) && into.subarray(8 + length).equals(border)
        }),
      )
    }
    t.end()
  },
)

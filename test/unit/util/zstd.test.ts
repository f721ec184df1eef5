import { decompress } from 'fzstd'
import t from 'tap'
import { frameBytesMax, zstdCompress, zstdExpand, zstdIsNative } from '../../../src/util/zstd.js'

const TEXT = Buffer.from(
  Array.from({ length: 200 }, (_, i) => `{"id":${i * 7919},"roles":["reader"]}`).join(),
)
const KB = 1024

function compress(bytes: Buffer): Buffer {
  const frame = zstdCompress(bytes)
  t.not(frame, null, 'there is a binary')
  return Buffer.from(frame ?? [])
}

function expanded(frame: Buffer, length: number): Buffer | null {
  const into = Buffer.alloc(length + 16, 0x5a)
  return zstdExpand(frame, into, 8, length) ? into.subarray(8, 8 + length) : null
}

/** A frame of one block of 128 KB that says in four bytes what it becomes, as many times as asked for. */
function bomb(blocks: number): Buffer {
  const block = (isLast: boolean) => {
    const header = (128 * KB * 8) | (1 << 1) | (isLast ? 1 : 0)
    return Buffer.from([header & 0xff, (header >> 8) & 0xff, header >> 16, 0x41])
  }
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])
  return Buffer.concat([frame, ...Array.from({ length: blocks }, (_, i) => block(i === blocks - 1))])
}

t.test('what is compressed expands to what it was, also where there is no binary', (t) => {
  t.ok(zstdIsNative)
  for (const original of [
    Buffer.alloc(1, 1),
    TEXT,
    Buffer.alloc(300 * KB, 7),
    Buffer.concat(Array(50).fill(TEXT)),
  ]) {
    const frame = compress(original)
    t.ok(frame.length < Math.max(original.length, 30))
    t.ok(expanded(frame, original.length)?.equals(original), `${original.length} bytes`)
    t.ok(Buffer.from(decompress(frame)).equals(original), 'by fzstd')
    t.ok(frameBytesMax(frame) >= original.length)
  }
  t.end()
})

t.test('bytes that are no frame of that length are refused', (t) => {
  const frame = compress(TEXT)
  for (const length of [0, TEXT.length - 1, TEXT.length + 1]) t.equal(expanded(frame, length), null)
  for (let end = 0; end < frame.length; end++) t.equal(expanded(frame.subarray(0, end), TEXT.length), null)
  t.equal(expanded(Buffer.concat([frame, Buffer.alloc(1)]), TEXT.length), null, 'something behind it')
  t.equal(expanded(Buffer.concat([frame, frame]), TEXT.length * 2), null, 'two of them')
  t.end()
})

t.test('a frame that would become far more than it should is not expanded', (t) => {
  t.equal(frameBytesMax(bomb(1)), 128 * KB)
  t.ok(expanded(bomb(1), 128 * KB)?.equals(Buffer.alloc(128 * KB, 0x41)), 'such a frame is one')
  const huge = bomb(100_000)
  t.equal(frameBytesMax(huge), 100_000 * 128 * KB)
  t.equal(expanded(huge, 4096), null)
  t.end()
})

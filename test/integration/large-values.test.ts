/** Values of many megabytes: written, read, grown, cut, and still there after kill -9. */
import t from 'tap'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { Seeded } from '../support/seeded.js'
import { pipeline } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const KB = 1024
const MB = 1024 * KB
const LARGE_BYTES = 64 * MB
const APPENDED_BYTES = 100 * KB
const APPENDS = 60

/** Bytes without a period that a shifted copy could share. */
function noise(seed: number, length: number): Buffer {
  const random = new Seeded(seed)
  const bytes = Buffer.allocUnsafe(length)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, length >> 2)
  for (let i = 0; i < words.length; i++) words[i] = random.below(2 ** 32)
  return bytes
}

for (const { title, flags } of [
  { title: 'segments of the usual size', flags: [] },
  { title: 'segments smaller than the value', flags: SMALL_STORAGE },
]) {
  t.test(`a value of 64 MB comes back as it was sent (${title})`, async (t) => {
    const node = await KindredNode.start(t, { flags })
    const client = await node.open()
    const value = noise(1, LARGE_BYTES)
    t.equal(await client.ask('SET', 'small', '1'), '+OK\r\n')
    t.equal(await client.ask('SET', 'large', value), '+OK\r\n')
    t.ok((await client.bulk('GET', 'large'))?.equals(value))
    t.equal(await client.ask('STRLEN', 'large'), `:${LARGE_BYTES}\r\n`)
    t.equal(await client.ask('SETRANGE', 'large', LARGE_BYTES - 3, 'end'), `:${LARGE_BYTES}\r\n`)
    t.equal((await client.bulk('GETRANGE', 'large', '-3', '-1'))?.toString(), 'end')
    value.write('end', LARGE_BYTES - 3)
    await node.kill9()
    await node.startAgain()
    const again = await node.open()
    t.ok((await again.bulk('GET', 'large'))?.equals(value), 'after kill -9')
    t.equal(await again.ask('RENAME', 'large', 'moved'), '+OK\r\n')
    t.ok((await again.bulk('GETSET', 'moved', 'x'))?.equals(value), 'under another name')
    t.equal((await again.bulk('GET', 'small'))?.toString(), '1')
    t.match(await node.stop(), { code: 0, error: '' })
  })
}

t.test('a value that grows by APPEND over many segments is whole at every length', async (t) => {
  const node = await KindredNode.start(t, { flags: [...SMALL_STORAGE, '--appendfsync', 'everysec'] })
  const client = await node.open()
  const pieces = Array.from({ length: APPENDS }, (_, i) => noise(i, APPENDED_BYTES))
  void client.send(pipeline(...pieces.map((piece) => ['APPEND', 'log', piece])))
  const lengths = (await client.replies(APPENDS)).map(String)
  t.same(
    lengths,
    pieces.map((_, i) => `:${(i + 1) * APPENDED_BYTES}\r\n`),
  )
  t.ok((await client.bulk('GET', 'log'))?.equals(Buffer.concat(pieces)))
  await node.kill9()
  await node.startAgain()
  const again = await node.open()
  t.ok((await again.bulk('GET', 'log'))?.equals(Buffer.concat(pieces)), 'after kill -9')
})

t.test('many values of 1 MB are read by pipelined GETs and by MGET, in order', async (t) => {
  const node = await KindredNode.start(t, { flags: SMALL_STORAGE })
  const client = await node.open()
  const values = Array.from({ length: 24 }, (_, i) => noise(i, MB))
  const names = values.map((_, i) => `value:${i}`)
  void client.send(pipeline(...values.map((value, i) => ['SET', names[i], value])))
  t.ok((await client.replies(values.length)).every((reply) => reply.toString() === '+OK\r\n'))
  void client.send(pipeline(...names.map((name) => ['GET', name]), ...names.map((name) => ['STRLEN', name])))
  const replies = await client.replies(2 * names.length)
  const right = values.filter((value, i) => replies[i].subarray(-2 - MB, -2).equals(value))
  t.equal(right.length, values.length)
  t.ok(replies.slice(names.length).every((reply) => reply.toString() === `:${MB}\r\n`))
  const all = await client.bulks('MGET', ...names)
  t.ok(all.every((value, i) => value?.equals(values[i])))
  t.equal(await client.ask('DBSIZE'), `:${names.length}\r\n`)
})

t.test(
  'a value above proto-max-bulk-len is refused before it is sent, and by every command that would make one',
  async (t) => {
    const node = await KindredNode.start(t, { flags: ['--proto-max-bulk-len', '1mb'] })
    const client = await node.open()
    t.equal(await client.ask('SET', 'full', 'x'.repeat(MB)), '+OK\r\n')
    const tooLong = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n'
    t.equal(await client.ask('APPEND', 'full', 'y'), tooLong)
    t.equal(await client.ask('SETRANGE', 'full', MB, 'y'), tooLong)
    t.match(
      await client.ask('SETBIT', 'full', MB * 8, '1'),
      /^-ERR bit offset is not an integer or out of range/,
    )
    t.equal(await client.ask('STRLEN', 'full'), `:${MB}\r\n`)
    await client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${MB + 1}\r\n`)
    t.equal(await client.rest(), '-ERR Protocol error: invalid bulk length\r\n')
  },
)

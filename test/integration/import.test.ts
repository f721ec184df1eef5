/** `kindred import`: dumps that redis-server has written, into nodes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode, temporaryDirectory } from '../support/kindred-node.js'
import { runKindred } from '../support/kindred-process.js'
import { PrivateRedis } from '../support/private-redis.js'
import { WireClient } from '../support/wire-client.js'

const MANY = 100_000
const LARGE_BYTES = 20_000_000
const FAR_MS = 4_000_000_000_000

type Ask = (...words: string[]) => Promise<string>

/** Has `fill` put keys into a redis-server; answers the path of its dump, which goes with the test. */
async function dumpOf(t: Test, fill: (ask: Ask) => Promise<void>): Promise<string> {
  const redis = await PrivateRedis.start('--databases', '16', '--enable-debug-command', 'local')
  const client = await WireClient.open(redis.socketPath)
  const ask: Ask = async (...words) => {
    const reply = await client.ask(...words)
    if (reply.startsWith('-')) throw new Error(`${words.slice(0, 2).join(' ')}: ${reply}`)
    return reply
  }
  try {
    await fill(ask)
    await ask('SAVE')
    const path = join(temporaryDirectory(t), 'dump.rdb')
    writeFileSync(path, readFileSync(join(dirname(redis.socketPath), 'dump.rdb')))
    return path
  } finally {
    client.close()
    await redis.stop()
  }
}

function importInto(node: KindredNode, ...args: readonly string[]) {
  return runKindred(['import', '--port', String(node.port), ...args])
}

/** Each type twice: packed as Redis keeps small ones, and as it keeps large ones. */
async function otherTypes(ask: Ask): Promise<void> {
  const words = Array.from({ length: 600 }, (_, i) => `word-${i}`)
  await ask('RPUSH', 'list', 'a', 'b')
  await ask('RPUSH', 'long-list', ...words, 'l'.repeat(100_000))
  await ask('SADD', 'integers', '1', '2', '70000')
  await ask('SADD', 'set', 'a', 'b')
  await ask('SADD', 'large-set', ...words)
  await ask('ZADD', 'zset', '1.5', 'a', '-inf', 'b', '+inf', 'c')
  await ask('ZADD', 'large-zset', ...words.flatMap((word, i) => [String(i / 3), word]))
  await ask('HSET', 'hash', 'f', 'v', 'g', '12')
  await ask('HSET', 'large-hash', ...words)
  await ask('XADD', 'stream', '*', 'f', 'v')
  await ask('XGROUP', 'CREATE', 'stream', 'group', '0')
  await ask('XREADGROUP', 'GROUP', 'group', 'consumer', 'STREAMS', 'stream', '>')
  for (let i = 0; i < 300; i++) await ask('XADD', 'long-stream', '*', 'field', 'x'.repeat(i))
  await ask('XDEL', 'stream', '0-1')
  await ask('FUNCTION', 'LOAD', "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
}

t.test('strings come along with their times to live, and everything else is counted', async (t) => {
  const large = 'L'.repeat(LARGE_BYTES / 2) + 'abcdefghij'.repeat(LARGE_BYTES / 20)
  const path = await dumpOf(t, async (ask) => {
    await otherTypes(ask)
    await ask('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    await ask('SET', 'short', 'value')
    await ask('SET', 'empty', '')
    for (const number of ['-1', '127', '-129', '32767', '70000', '-2147483648', '4000000000']) {
      await ask('SET', `number ${number}`, number)
      await ask('SET', number, 'a number as a key')
    }
    await ask('SET', 'compressed', 'abc'.repeat(1000))
    await ask('SET', 'large', large)
    await ask('SET', 'mortal', 'v', 'PXAT', String(FAR_MS + 7))
    await ask('SET', 'expired', 'v', 'PX', '1')
    await ask('PFADD', 'hyperloglog', 'a', 'b')
    await ask('SELECT', '3')
    await ask('SET', 'short', 'of another database')
    await ask('RPUSH', 'list', 'a')
  })
  const node = await KindredNode.start(t)
  const { code, out, error } = await importInto(node, path)
  t.equal(code, 0, error)
  t.match(out, /^dump {5}format 10, written by Redis 7\.[\d.]+, [\d.]+ MB\nwritten {2}20 keys in /)
  t.strictSame(
    out.split('\n').filter((line) => line.startsWith('skipped')),
    [
      'skipped  1 x function library',
      'skipped  2 x hash',
      'skipped  2 x list',
      'skipped  1 x list, in database 3',
      'skipped  3 x set',
      'skipped  2 x stream',
      'skipped  1 x string, expired',
      'skipped  1 x string, in database 3',
      'skipped  2 x zset',
    ],
  )
  const client = await node.open()
  t.equal(await client.ask('DBSIZE'), ':20\r\n')
  t.equal(await client.ask('GET', 'short'), '$5\r\nvalue\r\n')
  t.equal(await client.ask('GET', 'empty'), '$0\r\n\r\n')
  t.equal(await client.ask('GET', 'number -2147483648'), '$11\r\n-2147483648\r\n')
  t.equal(await client.ask('GET', '4000000000'), '$17\r\na number as a key\r\n')
  t.equal(await client.ask('GET', 'compressed'), `$3000\r\n${'abc'.repeat(1000)}\r\n`)
  t.ok(
    (await client.ask('GET', 'large')) === `$${large.length}\r\n${large}\r\n`,
    'the large value is the same',
  )
  t.equal(await client.ask('PEXPIRETIME', 'mortal'), `:${FAR_MS + 7}\r\n`)
  t.equal(await client.ask('TTL', 'large'), ':-1\r\n')
  t.match(await client.ask('GET', 'hyperloglog'), /^\$\d+\r\nHYLL/)

  const other = await importInto(node, '--db', '3', path)
  t.match(other, { code: 0, out: /written {2}1 keys/ })
  t.equal(await client.ask('GET', 'short'), '$19\r\nof another database\r\n')
  client.close()
})

t.test('a hundred thousand keys, into a node that asks for a password', async (t) => {
  const path = await dumpOf(t, async (ask) => {
    await ask('DEBUG', 'POPULATE', String(MANY), 'key', '100')
  })
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
  const refused = await importInto(node, path)
  t.match(refused, { code: 1, error: /NOAUTH Authentication required/ })
  const wrong = await importInto(node, '--password', 'wrong', path)
  t.match(wrong, { code: 1, error: /WRONGPASS/ })
  t.match(await importInto(node, '--password', 'secret', path), { code: 0, out: `written  ${MANY} keys` })
  const client = await node.open()
  await client.ask('AUTH', 'secret')
  t.equal(await client.ask('DBSIZE'), `:${MANY}\r\n`)
  t.match(await client.ask('GET', 'key:99999'), /^\$100\r\nvalue:99999\0/)
  client.close()
})

t.test('damage is said with its place, and what came before it stays written', async (t) => {
  const path = await dumpOf(t, async (ask) => {
    await ask('DEBUG', 'POPULATE', '5000', 'key', '100')
  })
  const node = await KindredNode.start(t)
  const whole = readFileSync(path)
  const directory = temporaryDirectory(t)
  const half = whole.length >> 1
  const cut = join(directory, 'cut.rdb')
  writeFileSync(cut, whole.subarray(0, half))
  const stopped = await importInto(node, cut)
  t.match(stopped, { code: 1, error: /cut\.rdb: byte \d+: the file is cut off or damaged/ })
  t.match(stopped.out, `of ${half} bytes; the import may be repeated.`)

  const wrong = join(directory, 'wrong.rdb')
  const last = whole.length - 1
  writeFileSync(wrong, Buffer.concat([whole.subarray(0, last), Buffer.of(whole[last] ^ 1)]))
  const checked = await importInto(node, wrong)
  t.match(checked, { code: 1, error: `byte ${whole.length - 8}: the checksum says` })

  const text = join(directory, 'text.rdb')
  writeFileSync(text, 'not a dump at all')
  t.match(await importInto(node, text), { code: 1, error: /byte 0: not a Redis dump/ })
  t.match(await importInto(node, join(directory, 'absent.rdb')), { code: 1, error: /ENOENT/ })
  const port = String(node.port)
  await node.stop()
  t.match(await runKindred(['import', '--port', port, path]), { code: 1, error: /no node at .*ECONNREFUSED/ })
})

t.test('what the node does not take is left out or named, and the rest is written', async (t) => {
  const path = await dumpOf(t, async (ask) => {
    await ask('SET', 'large', 'x'.repeat(2_000_000))
    await ask('SET', 'k'.repeat(100_000), 'a long key')
    await ask('SET', 'small', 'v')
  })
  const node = await KindredNode.start(t, { flags: ['--proto-max-bulk-len', '1mb'] })
  const { code, out, error } = await importInto(node, path)
  t.equal(code, 1)
  t.match(error, /kkkk.*: ERR /)
  t.match(out, /written {2}1 keys/)
  t.match(out, /refused {2}1 keys, by the node/)
  t.match(out, /skipped {2}1 x string, larger than the node takes \(proto-max-bulk-len is 1048576\)/)
})

t.test('mistakes in the options', async (t) => {
  t.match(await runKindred(['import']), { code: 1, error: /needs the path of one dump/ })
  t.match(await runKindred(['import', '--port', '0', 'x']), { code: 1, error: /--port: "0"/ })
  t.match(await runKindred(['import', '--db', 'x', 'x']), { code: 1, error: /--db: "x"/ })
  t.match(await runKindred(['import', '--timeout', '0', 'x']), { code: 1, error: /--timeout: "0"/ })
  t.match(await runKindred(['import', '--help']), { code: 0, out: /Usage: kindred import/ })
})

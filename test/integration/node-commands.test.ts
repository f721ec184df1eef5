/** Commands about the node and its connections, on a real process: what they do to others, to the log and to the disk. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'
import type { WireClient } from '../support/wire-client.js'

const KB = 1024
/** Of 60 KB: about ten times the smallest block cache. */
const COLD_KEYS = 160

t.test('CLIENT KILL ends whom it names', async (t) => {
  const node = await KindredNode.start(t)
  const killer = await node.open()
  const [byId, byAddress, byOldForm, stays] = await Promise.all([
    node.open(),
    node.open(),
    node.open(),
    node.open(),
  ])
  const id = Number((await byId.ask('CLIENT', 'ID')).slice(1))
  t.equal(await killer.ask('CLIENT', 'KILL', 'ID', id), ':1\r\n')
  t.equal(await byId.rest(), '')
  t.equal(await killer.ask('CLIENT', 'KILL', 'ID', id), ':0\r\n')
  const addressOf = ({ socket }: WireClient): string => `127.0.0.1:${socket.localPort}`
  t.equal(await killer.ask('CLIENT', 'KILL', 'ADDR', addressOf(byAddress)), ':1\r\n')
  t.equal(await byAddress.rest(), '')
  t.equal(await killer.ask('CLIENT', 'KILL', addressOf(byOldForm)), '+OK\r\n')
  t.equal(await byOldForm.rest(), '')
  t.equal(await killer.ask('CLIENT', 'KILL', '127.0.0.1:1'), '-ERR No such client\r\n')
  t.equal(await stays.ask('PING'), '+PONG\r\n')
  await killer.send(pipeline(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no']))
  t.equal(await killer.rest(), ':2\r\n', 'its own end comes behind its answer')
  t.equal(await stays.rest(), '')
})

t.test('CLIENT LIST shows who is there and what they wait with', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--enable-debug-command', 'local'] })
  const [watcher, waiting] = [await node.open(), await node.open()]
  await waiting.ask('CLIENT', 'SETNAME', 'waiting')
  await waiting.send(pipeline(['DEBUG', 'SLEEP', '0.3'], ['SET', 'queued', 'x'.repeat(5000)]))
  const line = await until('the second request to be queued', async () => {
    const list = await watcher.ask('CLIENT', 'LIST')
    return /id=\d+ addr=127\.0\.0\.1:\d+ .*name=waiting .* qbuf=5\d\d\d .*cmd=debug/.exec(list)?.[0]
  })
  t.ok(line)
  t.equal(await watcher.ask('EXISTS', 'queued'), ':0\r\n')
  t.same((await waiting.replies(2)).map(String), ['+OK\r\n', '+OK\r\n'])
})

t.test('DEBUG is only there when it is enabled, and SLEEP stops nobody else', async (t) => {
  const node = await KindredNode.start(t)
  const client = await node.open()
  t.match(await client.ask('DEBUG', 'SLEEP', '0'), /^-ERR DEBUG command not allowed\./)
  t.match(
    await client.ask('CONFIG', 'SET', 'enable-debug-command', 'yes'),
    /^-ERR .* can't set immutable config/,
  )
  t.match(await node.stop(), { code: 0 })
  await node.startAgain(['--enable-debug-command', 'local'])
  const [sleeper, other] = [await node.open(), await node.open()]
  let woken = false
  const sleep = sleeper.ask('DEBUG', 'SLEEP', '0.3').then((reply) => {
    woken = true
    return reply
  })
  t.equal(await other.ask('PING'), '+PONG\r\n')
  t.equal(woken, false)
  t.equal(await sleep, '+OK\r\n')
})

t.test('SHUTDOWN answers nothing, syncs everything and ends the process in order', async (t) => {
  for (const appendfsync of ['always', 'everysec', 'no']) {
    const node = await KindredNode.start(t, { flags: ['--appendfsync', appendfsync] })
    const [client, other] = [await node.open(), await node.open()]
    t.equal(await client.ask('SHUTDOWN', 'NOSAVE', 'SAVE'), '-ERR syntax error\r\n')
    t.equal(await client.ask('SHUTDOWN', 'ABORT'), '-ERR No shutdown in progress.\r\n')
    t.equal(await other.ask('SET', 'a', '1'), '+OK\r\n')
    await client.send(pipeline(['SHUTDOWN']))
    t.equal(await client.rest(), '')
    t.equal(await other.rest(), '')
    t.match(await node.ended, { code: 0, signal: null, error: '' })
    await node.startAgain()
    t.equal(await (await node.open()).ask('GET', 'a'), '$1\r\n1\r\n', appendfsync)
  }
})

t.test('CONFIG SET appendfsync acts while clients write, and nothing they were told is lost', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--appendfsync', 'no'] })
  const [writer, operator] = [await node.open(), await node.open()]
  let written = 0
  for (const appendfsync of ['always', 'everysec', 'no', 'always', 'no', 'everysec']) {
    const batch = Array.from({ length: 200 }, (_, i) => ['SET', `key:${written + i}`, `${written + i}`])
    void writer.send(pipeline(...batch))
    t.equal(await operator.ask('CONFIG', 'SET', 'appendfsync', appendfsync), '+OK\r\n')
    const replies = await writer.replies(batch.length)
    t.ok(replies.every((reply) => reply.toString() === '+OK\r\n'))
    written += batch.length
    t.match(await operator.ask('INFO', 'everything'), `\r\nstorage_appendfsync:${appendfsync}\r\n`)
  }
  await node.kill9()
  await node.startAgain()
  const client = await node.open()
  t.equal(await client.ask('DBSIZE'), `:${written}\r\n`)
  const values = await client.bulks('MGET', ...Array.from({ length: written }, (_, i) => `key:${i}`))
  t.ok(values.every((value, i) => value?.toString() === String(i)))
})

for (const how of ['stopped', 'killed'] as const) {
  t.test(
    `FLUSHALL empties the keyspace, and it stays empty when the node is ${how} and started again`,
    async (t) => {
      const node = await KindredNode.start(t, { flags: SMALL_STORAGE })
      const client = await node.open()
      await fill(client)
      await flushed(t, node)
      t.equal(await client.ask('FLUSHALL'), '+OK\r\n')
      t.equal(await client.ask('DBSIZE'), ':0\r\n')
      t.equal(await client.ask('GET', 'cold:1'), '$-1\r\n')
      t.equal(await client.ask('KEYS', '*'), '*0\r\n')
      t.equal(await client.ask('SET', 'after', '1'), '+OK\r\n')
      if (how === 'killed') await node.kill9()
      else t.match(await node.stop(), { code: 0 })
      await node.startAgain()
      const again = await node.open()
      t.equal(await again.ask('DBSIZE'), ':1\r\n')
      t.equal(await again.ask('KEYS', '*'), '*1\r\n$5\r\nafter\r\n')
      t.equal(await again.ask('GET', 'cold:1'), '$-1\r\n')
      await until('the old tables to be gone from the disk', async () => {
        const tables = readdirSync(node.directory).filter((name) => name.endsWith('.table'))
        await again.ask('SET', 'after', 'x'.repeat(60 * KB))
        return tables.length <= 2
      })
      t.equal(await again.ask('DBSIZE'), ':1\r\n')
    },
  )
}

t.test('transactions in pipelines run in order, also when every key has to come from disk', async (t) => {
  const node = await KindredNode.start(t, { flags: SMALL_STORAGE })
  const client = await node.open()
  await fill(client)
  await flushed(t, node)
  const clients = await Promise.all([node.open(), node.open(), node.open()])
  const rounds = await Promise.all(
    clients.map(async (one, c) => {
      let wrong = 0
      for (let i = c; i < COLD_KEYS; i += clients.length) {
        const spoiled = i % 5 === 0
        // Two keys are cold, one of them was just written to, and one is made in the transaction.
        void one.send(
          pipeline(
            ['APPEND', `cold:${i}`, '!'],
            ['MULTI'],
            ['GETRANGE', `cold:${i}`, '-4', '-1'],
            ['SET', `made:${c}`, i],
            ['STRLEN', `cold:${(i + 7) % COLD_KEYS}`],
            ['INCR', `made:${c}`],
            [spoiled ? 'NOSUCH' : 'PING'],
            ['EXEC'],
            ['DISCARD'],
            ['GETRANGE', `cold:${i}`, '-1', '-1'],
          ),
        )
        const replies = (await one.replies(10)).map(String)
        const expected = spoiled
          ? /^-EXECABORT Transaction discarded because of previous errors\.\r\n$/
          : new RegExp(
              `^\\*5\\r\\n\\$4\\r\\nxxx!\\r\\n\\+OK\\r\\n:6144\\d\\r\\n:${i + 1}\\r\\n\\+PONG\\r\\n$`,
            )
        if (!expected.test(replies[7]) || replies[8] !== '-ERR DISCARD without MULTI\r\n') wrong++
        if (replies[9] !== '$1\r\n!\r\n') wrong++
      }
      return wrong
    }),
  )
  t.same(rounds, [0, 0, 0])
  t.ok(Number((await node.info()).get('storage_cache_misses')) > 0, 'keys were cold')
})

async function fill(client: WireClient): Promise<void> {
  const value = Buffer.alloc(60 * KB, 'x')
  for (let i = 0; i < COLD_KEYS; i++) await client.ask('SET', `cold:${i}`, value)
}

async function flushed(t: Test, node: KindredNode): Promise<void> {
  await until(
    'most of it to be in tables',
    async () => Number((await node.info()).get('storage_flushes')) >= 5,
  )
  t.ok(readdirSync(node.directory).some((name) => name.endsWith('.table')))
}

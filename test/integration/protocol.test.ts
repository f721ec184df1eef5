/**
 * The protocol on real sockets: pipelines cut anywhere, input that is wrong or not meant for us, connections that end in
 * every way. Transcripts (everything that comes back until the server closes) are compared with those of redis-server.
 */
import t from 'tap'
import { CONVERSATION_DIFFERENCES } from '../support/conversation-differences.js'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { PrivateRedis } from '../support/private-redis.js'
import { pipeline, WireClient } from '../support/wire-client.js'

const BINARY = Buffer.from([0, 13, 10, 255, 36, 42])

/** Pipelines, each with requests of all kinds that RESP and inline requests have. */
const PIPELINES: readonly Buffer[] = [
  pipeline(
    ['SET', 'a', BINARY],
    ['GET', 'a'],
    ['PING'],
    ['NOSUCH', 'x'],
    ['GET'],
    ['APPEND', 'a', ''],
    ['DEL', 'a'],
  ),
  Buffer.from('PING\r\nset  b "x\\x00\\n y"\r\nGET b\n\r\n\r\nget \'b\'\r\nDEL b\r\nECHO ""\r\n'),
  Buffer.concat([
    Buffer.from('*0\r\n*-1\r\n\r\nPING\r\n'),
    pipeline(['MULTI'], ['INCR', 'c'], ['GET'], ['EXEC'], ['MULTI'], ['INCR', 'c'], ['DEL', 'c'], ['EXEC']),
    Buffer.from('PING x\r\n'),
  ]),
  pipeline(
    ['HELLO', '3', 'SETNAME', 'z'],
    ['GET', 'nothing'],
    ['CLIENT', 'GETNAME'],
    ['RESET'],
    ['GET', 'nothing'],
  ),
]

/** Whole conversations: sent at once, then the sending side is closed. */
const CONVERSATIONS: readonly (readonly [string, Buffer | string])[] = [
  ['an HTTP request', 'POST / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['HTTP in capital and small letters', 'post x\r\nPING\r\n'],
  ['QUIT in a pipeline', 'PING\r\nQUIT\r\nPING\r\n'],
  ['QUIT with arguments', 'QUIT now\r\nPING\r\n'],
  [
    'an error of the protocol behind valid requests',
    Buffer.concat([pipeline(['SET', 'p', '1'], ['GET', 'p']), Buffer.from('*1\r\n!3\r\n')]),
  ],
  ['a count that is no number', 'PING\r\n*x\r\nPING\r\n'],
  ['a length that is negative', '*1\r\n$-5\r\nPING\r\n'],
  ['a length that is too long', '*1\r\n$536870913\r\nPING\r\n'],
  ['a length that is no number', '*1\r\n$4x\r\nPING\r\n'],
  ['a bulk string that is not one', '*1\r\n+PING\r\nPING\r\n'],
  ['unbalanced quotes', 'PING\r\nGET "a\r\nPING\r\n'],
  ['characters behind a quote', 'GET "a"b\r\nPING\r\n'],
  ['an inline request without an end', 'x'.repeat(70_000)],
  ['a count line without an end', `*${'1'.repeat(70_000)}`],
  ['a request that is not finished', '*2\r\n$4\r\nECHO\r\n$10\r\nabc'],
  ['nothing at all', ''],
  ['blank lines', '\r\n\r\n\n\n*0\r\n*-1\r\n'],
  [
    'requests and then nothing more',
    pipeline(['SET', 'h', 'x'], ['GET', 'h'], ['INCR', 'h'], ['DEL', 'h'], ['PING']),
  ],
  [
    'replies switched off',
    pipeline(['CLIENT', 'REPLY', 'OFF'], ['PING'], ['GET'], ['CLIENT', 'REPLY', 'ON'], ['PING', 'on']),
  ],
  [
    'one reply skipped',
    pipeline(['CLIENT', 'REPLY', 'SKIP'], ['PING', '1'], ['PING', '2'], ['CLIENT', 'REPLY', 'x']),
  ],
  ['replies off around errors', pipeline(['CLIENT', 'REPLY', 'OFF'], ['NOSUCH'], ['QUIT'])],
  ['RESET in a transaction', pipeline(['MULTI'], ['PING'], ['RESET'], ['EXEC'], ['PING'])],
  [
    'RESET ends RESP3 and the name',
    pipeline(['HELLO', '3', 'SETNAME', 'q'], ['RESET'], ['CLIENT', 'GETNAME'], ['GET', 'no']),
  ],
  [
    'WAIT without replicas',
    pipeline(['SET', 'w', '1'], ['WAIT', '0', '0'], ['WAIT', '-1', '0'], ['DEL', 'w']),
  ],
  ['WAIT with wrong numbers', pipeline(['WAIT', 'x', '0'], ['WAIT', '0', '-1'], ['WAIT', '0'])],
  ['DEBUG while it is not allowed', pipeline(['DEBUG', 'SLEEP', '0'], ['PING'])],
  [
    'MULTI in MULTI',
    pipeline(['MULTI'], ['MULTI'], ['SET', 'm', '1'], ['EXEC'], ['EXEC'], ['DISCARD'], ['DEL', 'm']),
  ],
  [
    'an EXEC that is refused ends the transaction',
    pipeline(['EXEC', 'x'], ['MULTI'], ['EXEC', 'x'], ['EXEC']),
  ],
  [
    'other commands that are refused spoil it',
    pipeline(['MULTI'], ['DISCARD', 'x'], ['PING'], ['EXEC'], ['EXEC']),
  ],
  ['a transaction that is not finished', pipeline(['MULTI'], ['SET', 'unfinished', '1'])],
  ['what that left', pipeline(['GET', 'unfinished'])],
]

async function transcript(address: number | string, bytes: Buffer | string): Promise<string> {
  const client = await WireClient.open(address)
  try {
    await client.send(bytes)
    client.finishSending()
    return await client.rest()
  } finally {
    client.close()
  }
}

function withoutId(text: string): string {
  return text.replace(/(\$2\r\nid\r\n):\d+/, '$1:0').replaceAll('7.0.15', 'x')
}

t.test('conversations go as with redis-server', async (t) => {
  const redis = await PrivateRedis.start()
  t.teardown(() => redis.stop())
  const node = await KindredNode.start(t)
  for (const [title, bytes] of CONVERSATIONS) {
    const ours = withoutId(await transcript(node.port, bytes))
    t.equal(ours, withoutId(await transcript(redis.socketPath, bytes)), title)
  }
})

t.test('conversations that go otherwise are written down, with both answers', async (t) => {
  const redis = await PrivateRedis.start()
  t.teardown(() => redis.stop())
  const node = await KindredNode.start(t)
  for (const { difference, sent, ours, theirs } of CONVERSATION_DIFFERENCES) {
    t.equal(await transcript(node.port, sent), ours, difference)
    t.equal(await transcript(redis.socketPath, sent), theirs, 'and Redis as described')
  }
})

t.test('a pipeline that is cut at any byte has the same replies', async (t) => {
  const redis = await PrivateRedis.start()
  t.teardown(() => redis.stop())
  const node = await KindredNode.start(t)
  const other = await node.open()
  for (const bytes of PIPELINES) {
    const expected = withoutId(await transcript(redis.socketPath, bytes))
    const whole = withoutId(await transcript(node.port, bytes))
    t.equal(whole, expected, 'not cut')
    let same = 0
    for (let cut = 1; cut < bytes.length; cut++) {
      const client = await node.open()
      await client.send(bytes.subarray(0, cut))
      // When this is answered, the first part has been read, by itself.
      await other.ask('PING')
      await client.send(bytes.subarray(cut))
      client.finishSending()
      const replies = withoutId(await client.rest())
      if (replies === whole) same++
      else t.equal(replies, whole, `cut at ${cut}`)
    }
    t.equal(same, bytes.length - 1, `${same} cuts`)
  }
})

t.test('what speaks HTTP or TLS is not answered, and what stands behind it is not run', async (t) => {
  const node = await KindredNode.start(t)
  for (const [what, bytes] of [
    ['POST', 'POST / HTTP/1.1\r\n\r\nSET stolen 1\r\n'],
    ['Host:', 'Host: example.com\r\n\r\nSET stolen 1\r\n'],
    ['a TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03])],
  ] as const) {
    const client = await node.open()
    await client.send(bytes)
    t.equal(await client.rest(), '', `${what} closes the connection without an answer`)
  }
  t.equal(
    await transcript(node.port, 'PING\r\nPOST / HTTP/1.1\r\nPING\r\n'),
    '+PONG\r\n',
    'earlier requests are',
  )
  await transcript(node.port, 'PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\nSET stolen 1\r\n')
  const client = await node.open()
  t.equal(await client.ask('EXISTS', 'stolen'), ':0\r\n')
})

t.test(
  'a protocol error is answered behind everything that was asked before, also what has to wait',
  async (t) => {
    const node = await KindredNode.start(t, { flags: ['--enable-debug-command', 'yes'] })
    const client = await node.open()
    const requests = pipeline(['SET', 'a', '1'], ['DEBUG', 'SLEEP', '0.05'], ['FLUSHALL'], ['DBSIZE'])
    await client.send(Buffer.concat([requests, Buffer.from('*2\r\n!\r\nPING\r\n')]))
    t.equal(await client.rest(), "+OK\r\n+OK\r\n+OK\r\n:0\r\n-ERR Protocol error: expected '$', got '!'\r\n")
  },
)

t.test(
  'a client that has closed its sending side gets its replies, also those that have to wait',
  async (t) => {
    const node = await KindredNode.start(t, { flags: ['--enable-debug-command', 'yes'] })
    const requests = pipeline(
      ['SET', 'a', '1'],
      ['WAIT', '1', '50'],
      ['DEBUG', 'SLEEP', '0.05'],
      ['INCR', 'a'],
    )
    t.equal(await transcript(node.port, requests), '+OK\r\n:0\r\n+OK\r\n:2\r\n')
  },
)

t.test('QUIT ends the connection behind its answer, whatever waits', async (t) => {
  const node = await KindredNode.start(t, { flags: SMALL_STORAGE })
  const client = await node.open()
  await client.send(pipeline(['SET', 'a', '1'], ['FLUSHALL'], ['SET', 'b', '2'], ['QUIT'], ['SET', 'c', '3']))
  t.equal(await client.rest(), '+OK\r\n'.repeat(4))
  const other = await node.open()
  t.equal(await other.ask('MGET', 'a', 'b', 'c'), '*3\r\n$-1\r\n$1\r\n2\r\n$-1\r\n')
})

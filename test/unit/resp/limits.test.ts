import t from 'tap'
import {
  ARGUMENTS_MAX,
  authenticatedLimits,
  BULK_BYTES_MAX,
  INLINE_BYTES_MAX,
  QUERY_BUFFER_BYTES_MAX,
  UNAUTHENTICATED_LIMITS,
} from '../../../src/resp/limits.js'
import { eventsOf, Feeder, latin1, multibulk } from './requests.js'

const AUTHENTICATED = authenticatedLimits()

t.test('before AUTH a request has at most 10 arguments of 16 KB', async (t) => {
  const limits = UNAUTHENTICATED_LIMITS
  const ten = Array.from({ length: 10 }, () => 'a')
  t.same(eventsOf(multibulk(...ten), limits), [{ request: ten }])
  const tooMany = { error: 'Protocol error: unauthenticated multibulk length' }
  t.same(eventsOf(multibulk(...ten, 'a'), limits), [tooMany])
  t.same(eventsOf(latin1('*1048576\r\n'), limits), [tooMany])
  t.same(eventsOf(latin1('*2147483647\r\n'), limits), [tooMany])
  t.same(eventsOf(latin1('*2147483648\r\n'), limits), [{ error: 'Protocol error: invalid multibulk length' }])
  const longest = 'v'.repeat(16 * 1024)
  t.same(eventsOf(multibulk(longest), limits), [{ request: [longest] }])
  const tooLong = { error: 'Protocol error: unauthenticated bulk length' }
  t.same(eventsOf(multibulk(longest + 'v'), limits), [tooLong])
  t.same(eventsOf(latin1('*1\r\n$536870912\r\n'), limits), [tooLong])
  t.same(eventsOf(latin1('*1\r\n$536870913\r\n'), limits), [{ error: 'Protocol error: invalid bulk length' }])
  t.same(eventsOf(latin1('*1\r\n$-1\r\n'), limits), [{ error: 'Protocol error: invalid bulk length' }])
})

t.test('after AUTH the limits are a million arguments and proto-max-bulk-len', async (t) => {
  t.same(eventsOf(latin1(`*${ARGUMENTS_MAX}\r\n$1\r\n`), AUTHENTICATED), [], 'accepted so far')
  const tooMany = [{ error: 'Protocol error: invalid multibulk length' }]
  t.same(eventsOf(latin1(`*${ARGUMENTS_MAX + 1}\r\n`), AUTHENTICATED), tooMany)
  t.same(eventsOf(latin1('*1\r\n$536870912\r\n'), AUTHENTICATED), [])
  const tooLong = [{ error: 'Protocol error: invalid bulk length' }]
  t.same(eventsOf(latin1('*1\r\n$536870913\r\n'), AUTHENTICATED), tooLong)
  const narrow = authenticatedLimits(1024 * 1024)
  t.same(eventsOf(latin1('*1\r\n$1048576\r\n'), narrow), [])
  t.same(eventsOf(latin1('*1\r\n$1048577\r\n'), narrow), tooLong)
})

t.test(
  'proto-max-bulk-len has no effect above nine digits, which is below the query buffer limit',
  async (t) => {
    t.equal(authenticatedLimits(2 ** 40).bulkBytesMax, BULK_BYTES_MAX)
    t.ok(BULK_BYTES_MAX < QUERY_BUFFER_BYTES_MAX)
    t.ok(BULK_BYTES_MAX + QUERY_BUFFER_BYTES_MAX < 2 ** 31, 'positions fit an Int32Array')
  },
)

t.test('limits that change between two requests of a pipeline hold from the next request on', async (t) => {
  const auth = multibulk('AUTH', 'secret')
  const long = multibulk(...Array.from({ length: 12 }, () => 'a'))
  for (const pieceBytes of [1, 5, 1000]) {
    const feeder = new Feeder(UNAUTHENTICATED_LIMITS)
    feeder.onRequest = () => (feeder.limits = AUTHENTICATED)
    const input = Buffer.concat([auth, long])
    for (let at = 0; at < input.length; at += pieceBytes) feeder.feed(input.subarray(at, at + pieceBytes))
    t.equal(feeder.events.length, 2, `pieces of ${pieceBytes}`)
    t.notOk(feeder.closed)
  }
})

t.test('lines are at most 64 KB, however they arrive', async (t) => {
  const max = INLINE_BYTES_MAX
  const longest = 'x'.repeat(max)
  const lines: [string, string][] = [
    ['x'.repeat(max + 1), 'Protocol error: too big inline request'],
    ['*' + '1'.repeat(max), 'Protocol error: too big mbulk count string'],
    ['*1\r\n$' + '1'.repeat(max), 'Protocol error: too big bulk count string'],
  ]
  for (const pieceBytes of [999, 65_536, 1_000_000]) {
    const fits = new Feeder()
    const input = latin1(longest + '\n')
    for (let at = 0; at < input.length; at += pieceBytes) fits.feed(input.subarray(at, at + pieceBytes))
    t.same(fits.events, [{ request: [longest] }])
    for (const [line, error] of lines) {
      for (const lineEnd of ['', '\r\n']) {
        const feeder = new Feeder()
        const bytes = latin1(line + lineEnd)
        for (let at = 0; at < bytes.length; at += pieceBytes) feeder.feed(bytes.subarray(at, at + pieceBytes))
        t.same(feeder.events, [{ error }], `${error}, pieces of ${pieceBytes}`)
      }
    }
  }
})

t.test('a connection that holds more unparsed bytes than its query buffer limit is closed', async (t) => {
  const limits = { ...AUTHENTICATED, queryBufferBytesMax: 100_000 }
  const feeder = new Feeder(limits)
  const value = 'v'.repeat(99_000)
  feeder.feed(multibulk('SET', 'k', value))
  t.same(feeder.events, [{ request: ['SET', 'k', value] }])
  const request = multibulk('SET', 'k', value + value)
  for (let at = 0; at < request.length; at += 7_000) feeder.feed(request.subarray(at, at + 7_000))
  t.equal(feeder.events.at(-1), 'oversized')
  t.ok((feeder.partial?.length ?? 0) < 108_000, 'it was noticed when the bytes came')
})

t.test(
  'before AUTH a connection cannot make the server hold more than its ten short arguments',
  async (t) => {
    const feeder = new Feeder(UNAUTHENTICATED_LIMITS)
    const request = multibulk(...Array.from({ length: 10 }, () => 'v'.repeat(16 * 1024)))
    for (let at = 0; at + 1000 < request.length; at += 1000) feeder.feed(request.subarray(at, at + 1000))
    t.same(feeder.events, [])
    t.ok(feeder.partial !== null && feeder.partial.bytesHeld < 512 * 1024)
  },
)

import t from 'tap'
import { ARGUMENTS_MAX, authenticatedLimits, type RequestLimits } from '../../../src/resp/limits.js'
import { COMPLETE, INCOMPLETE } from '../../../src/resp/parse-result.js'
import { PartialRequest } from '../../../src/resp/partial-request.js'
import { RequestParser } from '../../../src/resp/request-parser.js'
import { argumentsOf, Feeder, latin1, multibulk } from './requests.js'

const LIMITS = authenticatedLimits()
const KB = 1024
const MB = 1024 * KB

function feedInPieces(input: Buffer, pieceBytes: number, limits: RequestLimits = LIMITS): Feeder {
  const feeder = new Feeder(limits)
  for (let at = 0; at < input.length; at += pieceBytes) feeder.feed(input.subarray(at, at + pieceBytes))
  return feeder
}

t.test('a request that comes in two pieces is whole after the second, what follows it stays', async (t) => {
  const parser = new RequestParser()
  const first = multibulk('SET', 'key', 'value')
  const rest = Buffer.concat([first.subarray(9), multibulk('GET', 'key'), latin1('*1\r')])
  const partial = new PartialRequest(Buffer.concat([latin1('??'), first]), 2, 11)
  t.equal(partial.resume(parser, LIMITS), INCOMPLETE)
  partial.append(rest, 0, rest.length)
  t.equal(partial.resume(parser, LIMITS), COMPLETE)
  t.same(argumentsOf(parser), ['SET', 'key', 'value'])
  t.equal(parser.parse(partial.bytes, parser.end, partial.length, LIMITS), COMPLETE)
  t.same(argumentsOf(parser), ['GET', 'key'])
  t.equal(parser.parse(partial.bytes, parser.end, partial.length, LIMITS), INCOMPLETE)
  partial.restart(parser.end)
  t.equal(partial.bytes.toString('latin1', 0, partial.length), '*1\r')
  t.equal(partial.resume(parser, LIMITS), INCOMPLETE)
  partial.append(latin1('\n$4\r\nPING\r\n'), 0, 11)
  t.equal(partial.resume(parser, LIMITS), COMPLETE)
  t.same(argumentsOf(parser), ['PING'])
})

t.test('a declared 512 MB bulk of which ten bytes came holds less than 200 KB', async (t) => {
  const parser = new RequestParser()
  const start = latin1('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789')
  const partial = new PartialRequest(start, 0, start.length)
  t.equal(partial.resume(parser, LIMITS), INCOMPLETE)
  t.equal(partial.readTarget(), null, 'no read buffer of its own either')
  t.ok(partial.bytesHeld < 1 * KB)
  t.ok(parser.offsets.length < 1 * KB)
})

t.test('a declared million of arguments of which ten came holds less than 200 KB', async (t) => {
  const parser = new RequestParser()
  const start = latin1('*1048576\r\n' + '$1\r\na\r\n'.repeat(10))
  const partial = new PartialRequest(start, 0, start.length)
  t.equal(partial.resume(parser, LIMITS), INCOMPLETE)
  t.ok(partial.bytesHeld < 1 * KB)
  t.ok(parser.offsets.length < 1 * KB)
})

t.test('memory held stays below twice the bytes received plus 64 KB, whatever is declared', async (t) => {
  const declared = latin1('*2\r\n$3\r\nSET\r\n$536870912\r\n')
  for (const pieceBytes of [1_000, 10_000, 100_000, 250_000]) {
    const feeder = new Feeder()
    feeder.feed(declared)
    const piece = Buffer.alloc(pieceBytes, 'v')
    let received = declared.length
    let worst = 0
    while (received < 20 * MB) {
      feeder.feed(piece)
      received += pieceBytes
      worst = Math.max(worst, (feeder.partial?.bytesHeld ?? 0) - 2 * received)
      if (pieceBytes === 1_000 && received > 1 * MB) break
    }
    t.ok(worst <= 64 * KB, `pieces of ${pieceBytes}`)
    t.equal(feeder.partial?.length, received)
  }
})

t.test('a large bulk is read into place, never past its line end, and its buffer ends there', async (t) => {
  const value = Buffer.alloc(3 * MB, 'v')
  const input = Buffer.concat([multibulk('SET', 'k', value), multibulk('GET', 'k')])
  for (const pieceBytes of [10_000, 65_536, 1_000_000, input.length]) {
    const feeder = feedInPieces(input, pieceBytes)
    t.same(feeder.events, [{ request: ['SET', 'k', value.toString()] }, { request: ['GET', 'k'] }])
    t.ok(feeder.directBytes > 2 * MB, `pieces of ${pieceBytes}: most of it was read directly`)
  }
  const partial = new PartialRequest(input, 0, 2 * MB)
  t.equal(partial.resume(new RequestParser(), LIMITS), INCOMPLETE)
  const valueEnd = multibulk('SET', 'k', value).length
  const target = partial.readTarget()
  t.equal(target?.length, valueEnd - 2 * MB)
  t.equal(partial.bytesHeld, valueEnd)
  t.equal(target?.buffer, partial.bytes.buffer)
})

t.test('a direct read ends with its bulk although the buffer is longer', async (t) => {
  const parser = new RequestParser()
  const name = 'n'.repeat(100 * KB)
  const request = multibulk(name, 'v'.repeat(60 * KB))
  const partial = new PartialRequest(request, 0, 100 * KB)
  partial.append(request, 100 * KB, 102 * KB)
  t.equal(partial.resume(parser, LIMITS), INCOMPLETE)
  t.ok(partial.bytesHeld > request.length)
  t.equal(partial.readTarget()?.length, request.length - 102 * KB)
})

t.test('appending to a bulk that is arriving does not grow the buffer past it', async (t) => {
  const parser = new RequestParser()
  const request = multibulk('SET', 'k', 'v'.repeat(40 * KB))
  const partial = new PartialRequest(request, 0, 30 * KB)
  t.equal(partial.resume(parser, LIMITS), INCOMPLETE)
  partial.append(request, 30 * KB, 31 * KB)
  t.equal(partial.bytesHeld, request.length)
  partial.append(request, 31 * KB, request.length)
  t.equal(partial.resume(parser, LIMITS), COMPLETE)
})

t.test('a direct read may bring nothing or little', async (t) => {
  const value = Buffer.alloc(1 * MB, 'v')
  const input = multibulk('SET', 'k', value)
  const parser = new RequestParser()
  const partial = new PartialRequest(input, 0, 100 * KB)
  let at = 100 * KB
  let reads = 0
  while (partial.resume(parser, LIMITS) === INCOMPLETE) {
    const target = partial.readTarget()
    if (target === null) {
      partial.append(input, at, input.length)
      at = input.length
      continue
    }
    const length = reads++ % 5 === 0 ? 0 : Math.min(3_333, target.length)
    input.copy(target, 0, at, at + length)
    partial.filled(length)
    at += length
  }
  t.same(argumentsOf(parser), ['SET', 'k', value.toString()])
  partial.restart(input.length - 10)
  t.ok(partial.bytesHeld < 1 * KB, 'a buffer that has become too large is given back')
})

t.test('a connection that stays at small requests is not asked to read in place', async (t) => {
  const feeder = feedInPieces(multibulk('SET', 'k', 'v'.repeat(20 * KB)), 100)
  t.equal(feeder.events.length, 1)
  t.equal(feeder.directBytes, 0)
})

t.test('a million arguments in reads of 64 KB are one request', async (t) => {
  const header = latin1(`*${ARGUMENTS_MAX}\r\n`)
  const input = Buffer.concat([header, Buffer.from('$1\r\na\r\n'.repeat(ARGUMENTS_MAX))])
  const parser = new RequestParser()
  const partial = new PartialRequest(input, 0, 64 * KB)
  let at = 64 * KB
  while (partial.resume(parser, LIMITS) === INCOMPLETE) {
    const end = Math.min(at + 64 * KB, input.length)
    partial.append(input, at, end)
    at = end
  }
  t.equal(at, input.length)
  t.equal(parser.argc, ARGUMENTS_MAX)
  t.equal(parser.end, input.length)
  t.equal(parser.offsets[2 * ARGUMENTS_MAX - 1], input.length - 2)
})

t.test(
  'work is linear: a megabyte that comes byte by byte is taken, as one value, as many and as a line',
  async (t) => {
    const many = Array.from({ length: 100_000 }, () => 'abcd')
    const inputs = [multibulk('SET', 'k', Buffer.alloc(1 * MB, 'v')), multibulk(...many)]
    for (const input of inputs) {
      const parser = new RequestParser()
      const partial = new PartialRequest(input, 0, 1)
      let at = 1
      while (partial.resume(parser, LIMITS) === INCOMPLETE) {
        partial.append(input, at, at + 1)
        at++
      }
      t.equal(at, input.length)
      t.equal(parser.end, input.length)
    }
    const line = latin1('x'.repeat(60_000) + '\n')
    t.equal(feedInPieces(line, 1).events.length, 1)
  },
)

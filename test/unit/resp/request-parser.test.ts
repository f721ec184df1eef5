import t from 'tap'
import { authenticatedLimits } from '../../../src/resp/limits.js'
import { COMPLETE, EMPTY, INCOMPLETE } from '../../../src/resp/parse-result.js'
import { RequestParser } from '../../../src/resp/request-parser.js'
import { argumentsOf, eventsOf, latin1, multibulk } from './requests.js'

const LIMITS = authenticatedLimits()

function errorOf(text: string): unknown {
  return eventsOf(latin1(text)).at(-1)
}

t.test('a multibulk request is found in place, and parsing goes on behind it', async (t) => {
  const parser = new RequestParser()
  const first = multibulk('SET', 'key', Buffer.from([0, 13, 10, 255]))
  const bytes = Buffer.concat([Buffer.from('junk'), first, multibulk('GET', ''), Buffer.from('junk')])
  const end = bytes.length - 4
  t.equal(parser.parse(bytes, 4, end, LIMITS), COMPLETE)
  t.equal(parser.bytes, bytes)
  t.same(argumentsOf(parser), ['SET', 'key', '\0\r\n\xff'])
  t.equal(parser.end, 4 + first.length)
  t.equal(parser.parse(bytes, parser.end, end, LIMITS), COMPLETE)
  t.same(argumentsOf(parser), ['GET', ''])
  t.equal(parser.end, end)
  t.equal(parser.parse(bytes, end, end, LIMITS), INCOMPLETE)
})

t.test('bytes behind the end of the input are never looked at', async (t) => {
  const parser = new RequestParser()
  const request = multibulk('SET', 'key', '0123456789')
  for (let end = 0; end < request.length; end++) {
    t.equal(parser.parse(request, 0, end, LIMITS), INCOMPLETE, `cut at ${end}`)
  }
  const line = latin1('ECHO "a b"\r\n')
  for (let end = 0; end < line.length; end++) t.equal(parser.parse(line, 0, end, LIMITS), INCOMPLETE)
})

t.test('as in Redis, the byte after CR and the two after a bulk are skipped unseen', async (t) => {
  t.same(eventsOf(latin1('*1\rX$4\rYPINGZZ*1\r\n$4\r\nPING\r\n')), [
    { request: ['PING'] },
    { request: ['PING'] },
  ])
})

t.test('requests without arguments are skipped and leave nothing behind', async (t) => {
  const empties = [
    '*0\r\n',
    '*-1\r\n',
    '*-99\r\n',
    '*-9223372036854775808\r\n',
    '\n',
    '\r\n',
    ' \t\x0b\x0c\r\n',
  ]
  const followers = [multibulk('GET', 'k'), latin1('GET k\r\n'), latin1('"GET" k\n')]
  for (const first of empties) {
    for (const second of empties) {
      for (const follower of followers) {
        const input = Buffer.concat([latin1(first + second), follower])
        t.same(eventsOf(input), ['empty', 'empty', { request: ['GET', 'k'] }], JSON.stringify(first + second))
      }
    }
  }
  const parser = new RequestParser()
  t.equal(parser.parse(latin1('*0\r\nx'), 0, 5, LIMITS), EMPTY)
  t.equal(parser.end, 4)
})

t.test('numbers are what string2ll takes: no sign but -, no leading zero, no blank, 64 bits', async (t) => {
  const notNumbers = [
    '',
    '+1',
    '-0',
    '01',
    '00',
    ' 1',
    '1 ',
    '1x',
    '0x1',
    '1e1',
    '1.0',
    'NaN',
    '-',
    '--1',
    '\0',
    '\n1',
  ]
  const tooHigh = ['2147483648', '4294967301', '9007199254740993', '99999999999999999999', '1'.repeat(1000)]
  for (const number of [...notNumbers, ...tooHigh, '-9223372036854775809']) {
    t.same(errorOf(`*${number}\r\n`), { error: 'Protocol error: invalid multibulk length' }, `*${number}`)
    t.same(errorOf(`*1\r\n$${number}\r\n`), { error: 'Protocol error: invalid bulk length' }, `$${number}`)
  }
  for (const number of ['-1', '-9223372036854775808']) {
    t.same(errorOf(`*1\r\n$${number}\r\n`), { error: 'Protocol error: invalid bulk length' }, `$${number}`)
  }
})

t.test('a line that should announce a bulk and does not is named by its first byte', async (t) => {
  t.same(errorOf('*1\r\nx4\r\n'), { error: "Protocol error: expected '$', got 'x'" })
  t.same(errorOf('*2\r\n$1\r\na\r\n*1\r\n'), { error: "Protocol error: expected '$', got '*'" })
  t.same(errorOf('*1\r\n\xe9\r\n'), { error: "Protocol error: expected '$', got '\xe9'" })
  t.same(errorOf('*1\r\n\r\n'), { error: "Protocol error: expected '$', got '\r'" })
  t.same(eventsOf(latin1('*1\r\nx4')), [], 'it is judged when its line is whole')
})

t.test('an inline request takes quotes and escapes, and ends with LF or CR LF', async (t) => {
  const lines: [string, string[]][] = [
    ['PING\n', ['PING']],
    ['  SET\tk  v \r\n', ['SET', 'k', 'v']],
    ['PING\r\r\n', ['PING']],
    ['a\x0bb\n', ['a\x0bb']],
    ['"a"\x0bb\n', ['a', 'b']],
    [`SET "" ''\n`, ['SET', '', '']],
    ['a "\\x41\\xfF\\x4\\xg0" b\n', ['a', 'A\xffx4xg0', 'b']],
    ['"\\n\\r\\t\\b\\a\\q\\"\\\\"\n', ['\n\r\t\b\x07q"\\']],
    [`'a\\'b\\n"'\n`, [`a'b\\n"`]],
    ['PI"NG"\n', ['PING']],
    ['a\\x41\n', ['a\\x41']],
  ]
  for (const [line, request] of lines) t.same(eventsOf(latin1(line)), [{ request }], JSON.stringify(line))
  for (const line of [
    '"a\n',
    "'a\n",
    '"a"b\n',
    "'a'b\n",
    '"a\\"\n',
    '"\\\n',
    "'\\'\n",
    `"a"'b'\n`,
    'x "\n',
  ]) {
    t.same(errorOf(line), { error: 'Protocol error: unbalanced quotes in request' }, JSON.stringify(line))
  }
})

t.test('arguments of a quoted line stand in the scratch, while end counts in the input', async (t) => {
  const parser = new RequestParser()
  const bytes = latin1('"PI\\x4eG" "a b"\r\nPING\r\n')
  t.equal(parser.parse(bytes, 0, bytes.length, LIMITS), COMPLETE)
  t.not(parser.bytes, bytes)
  t.same(argumentsOf(parser), ['PING', 'a b'])
  t.equal(parser.end, 17)
  t.equal(parser.parse(bytes, 17, bytes.length, LIMITS), COMPLETE)
  t.equal(parser.bytes, bytes)
  t.same(argumentsOf(parser), ['PING'])
})

t.test('a NUL byte in an inline request is refused at once instead of waiting for ever', async (t) => {
  t.same(errorOf('PING\0'), { error: 'Protocol error: NUL byte in inline request' })
  t.same(errorOf('PING\0\r\n'), { error: 'Protocol error: NUL byte in inline request' })
})

t.test('HTTP and TLS are recognised, also behind other requests', async (t) => {
  const http = ['POST / HTTP/1.1\r\n', 'post\n', '"pOsT"\n', 'Host: example.org\r\n', 'hOST:\n']
  const multibulks = [multibulk('POST'), multibulk('host:', 'a'), multibulk('HOST:')]
  for (const request of [...http.map(latin1), ...multibulks]) {
    t.same(eventsOf(request), ['closed'], request.toString())
    t.same(eventsOf(Buffer.concat([multibulk('GET', 'a'), latin1('\r\n'), request])), [
      { request: ['GET', 'a'] },
      'empty',
      'closed',
    ])
  }
  t.same(eventsOf(latin1('GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: y\r\n')).at(-1), 'closed')
  t.same(eventsOf(latin1('\x16\x03\x01\x02\x00\x01\x00')), ['closed'])
  t.same(eventsOf(latin1('\x16')), [])
  t.equal(
    new RequestParser().parse(latin1('\x16\x03'), 0, 1, LIMITS),
    INCOMPLETE,
    'the second byte has not come',
  )
  t.same(eventsOf(latin1('\x16x\n')), [{ request: ['\x16x'] }])
  for (const name of ['POS', 'POSTS', 'HOST', 'HOST;', 'HOST\x1a', 'xost:', 'PUT']) {
    t.same(eventsOf(multibulk(name)), [{ request: [name] }], 'others are ordinary commands')
  }
})

t.test('the offsets grow with the arguments received, not with the count declared', async (t) => {
  const parser = new RequestParser()
  const declared = latin1('*1048576\r\n$1\r\na\r\n')
  t.equal(parser.parse(declared, 0, declared.length, LIMITS), INCOMPLETE)
  t.ok(parser.offsets.length < 1000)
})

t.test('many arguments come out whole, multibulk, inline and quoted', async (t) => {
  const words = Array.from({ length: 5000 }, (_, i) => `w${i}`)
  const request = words
  t.same(eventsOf(multibulk(...words)), [{ request }])
  t.same(eventsOf(latin1(words.join(' ') + '\n')), [{ request }])
  t.same(eventsOf(latin1(words.map((word) => `'${word}'`).join(' ') + '\n')), [{ request }])
})

/**
 * Holds the parser against redis-server 7.0: a tiny interpreter answers what the parser understood, with the reply
 * writer, and both outputs have to be the same bytes. `COMMAND GETKEYS MGET a b …` makes Redis repeat arguments.
 */
import t from 'tap'
import { authenticatedLimits, UNAUTHENTICATED_LIMITS } from '../../../src/resp/limits.js'
import { ReplyWriter } from '../../../src/resp/reply-writer.js'
import { RedisOracle } from './redis-oracle.js'
import {
  type Event,
  eventsOf,
  Feeder,
  latin1,
  multibulk,
  randomArguments,
  randomInlineLine,
} from './requests.js'
import { Seeded } from '../../support/seeded.js'

const OTHER_ERROR = '-ERR other'
const PING = '*1\r\n$4\r\nPING\r\n'

/** What Redis would answer; null when the requests contain something that this interpreter does not know. */
function answer(events: readonly Event[]): string | null {
  const writer = new ReplyWriter()
  for (const event of events) {
    if (event === 'empty') continue
    if (typeof event === 'string') return ''
    if ('error' in event) writer.protocolError(event.error)
    else if (!interpret(event.request, writer)) return null
  }
  return comparable(writer.buffer.toString('latin1', 0, writer.length))
}

function interpret(request: string[], writer: ReplyWriter): boolean {
  const [name, sub, carrier, ...keys] = request
  if (name.toLowerCase() === 'ping' && request.length <= 2) {
    if (request.length === 1) writer.simple('PONG')
    else writer.bulk(latin1(sub), 0, sub.length)
  } else if (name.toLowerCase() === 'command') {
    if (sub?.toLowerCase() !== 'getkeys' || carrier?.toLowerCase() !== 'mget') return false
    if (keys.length === 0) writer.error('ERR other')
    else {
      writer.array(keys.length)
      for (const key of keys) writer.bulk(latin1(key), 0, key.length)
    }
  } else if (/^[a-z]+$/i.test(name)) {
    return false
  } else {
    writer.error('ERR other')
  }
  return true
}

/** Redis's output with errors other than the protocol's made alike. */
function comparable(output: string): string {
  return output.replace(/^-(?!ERR Protocol error).*$/gm, OTHER_ERROR)
}

t.test('malformed, empty and odd requests are answered as Redis answers them', async (t) => {
  const oracle = await RedisOracle.start()
  t.teardown(() => oracle.stop())
  const numbers = [
    '',
    '0',
    '-0',
    '+1',
    '01',
    '1 ',
    ' 1',
    '1x',
    '-1',
    '-9223372036854775808',
    '-9223372036854775809',
  ]
  const large = [
    '2147483648',
    '4294967301',
    '9007199254740993',
    '9'.repeat(20),
    '1'.repeat(30_000),
    'NaN',
    '1e1',
  ]
  const inputs = [...numbers, ...large].flatMap((number) => [
    `*${number}\r\n${PING}`,
    `*1\r\n$${number}\r\n${PING}`,
  ])
  inputs.push(
    '*1\r\n$536870913\r\n',
    '*1\r\n$536870912\r\n',
    '*1\r\n$2147483648\r\n',
    '*1048576\r\n$4\r\nPING\r\n',
  )
  for (let byte = 1; byte < 256; byte++) inputs.push(`*1\r\n${String.fromCharCode(byte)}4\r\nPING\r\n`)
  for (let byte = 1; byte < 256; byte++) inputs.push(`*1${String.fromCharCode(byte)}\r\n`)
  for (let byte = 1; byte < 256; byte++)
    inputs.push(`COMMAND GETKEYS MGET "\\${String.fromCharCode(byte)}0"\n`)
  for (let byte = 1; byte < 256; byte++)
    inputs.push(`COMMAND GETKEYS MGET a${String.fromCharCode(byte)}b 'c'\n`)
  for (let byte = 1; byte < 256; byte++)
    inputs.push(`COMMAND GETKEYS MGET "a"${String.fromCharCode(byte)}b\n`)
  inputs.push(
    '*1\rX$4\rYPINGZZ',
    '*1\n$4\nPING\n',
    '*1\r\n*1\r\n',
    '*1\r\nx4',
    '\r\n\n  \r\n' + PING,
    'PING\r\r\n',
  )
  inputs.push(
    'x'.repeat(70_000),
    '*' + '1'.repeat(70_000),
    '*1\r\n$' + '1'.repeat(70_000),
    ` ${PING}`,
    `$4\r\nPING\n`,
  )
  inputs.push(
    'POST / HTTP/1.1\r\nHost: x\r\n\r\n',
    'host:\n',
    multibulk('HOST:', 'a').toString(),
    '"po"\n',
    "'POST'\n",
  )
  inputs.push(
    '"PING"x\n',
    '"PING\n',
    'PI"NG"\n',
    `""\n`,
    `'' \n`,
    'PING "a\\"\n',
    'PING "\\\n',
    "PING '\\'\n",
  )
  let compared = 0
  for (const input of inputs) {
    const ours = answer(eventsOf(latin1(input)))
    if (ours === null) continue
    t.equal(ours, comparable(await oracle.ask(latin1(input))), JSON.stringify(input.slice(0, 60)))
    compared++
  }
  t.ok(compared > 1200)
})

t.test('limits before AUTH are answered as Redis answers them', async (t) => {
  const oracle = await RedisOracle.start('--requirepass', 'secret')
  t.teardown(() => oracle.stop())
  const inputs = ['*11\r\n', '*2147483647\r\n', '*2147483648\r\n', '*1\r\n$16385\r\n', '*1\r\n$536870912\r\n']
  inputs.push(
    '*1\r\n$536870913\r\n',
    '*1\r\n$-1\r\n',
    '*10\r\n$1\r\n',
    `*1\r\n$16384\r\n${'!'.repeat(16384)}\r\n`,
  )
  inputs.push('*0\r\n*11\r\n', '\r\n*11\r\n', 'x'.repeat(70_000), 'post\n')
  for (const input of inputs) {
    const ours = answer(eventsOf(latin1(input), UNAUTHENTICATED_LIMITS))
    t.equal(ours, comparable(await oracle.ask(latin1(input))), JSON.stringify(input.slice(0, 60)))
  }
  const twelve = multibulk('COMMAND', 'GETKEYS', 'MGET', ...'abcdefghi')
  t.equal(answer(eventsOf(twelve, UNAUTHENTICATED_LIMITS)), await oracle.ask(twelve))
  const feeder = new Feeder(UNAUTHENTICATED_LIMITS)
  feeder.onRequest = () => (feeder.limits = authenticatedLimits())
  const input = Buffer.concat([multibulk('AUTH', 'secret'), twelve])
  feeder.feed(input)
  t.equal(
    '+OK\r\n' + answer(feeder.events.slice(1)),
    await oracle.ask(input),
    'and after AUTH in one pipeline',
  )
})

t.test('inline requests with any quoting give the arguments that Redis sees', async (t) => {
  const oracle = await RedisOracle.start()
  t.teardown(() => oracle.stop())
  const pieces = [
    '"',
    "'",
    '\\',
    '\\x',
    '41',
    'fg',
    ' ',
    '\t',
    '\x0b',
    '\x0c',
    '\r',
    'a',
    'n',
    'é',
    '\\"',
    "\\'",
  ]
  let unbalanced = 0
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Seeded(seed)
    let line = 'COMMAND GETKEYS MGET '
    if (seed % 2 === 0) line += randomInlineLine(random).toString('latin1')
    else {
      for (let count = 1 + random.below(12); count > 0; count--) line += random.pick(pieces)
      line += random.pick(['\n', '\r\n'])
    }
    const input = latin1(line + PING)
    const ours = answer(eventsOf(input))
    const theirs = comparable(await oracle.ask(input))
    if (ours !== theirs) t.equal(ours, theirs, `seed ${seed}: ${JSON.stringify(line)}`)
    if (theirs.includes('unbalanced')) unbalanced++
  }
  t.ok(unbalanced > 300 && unbalanced < 1500, `${unbalanced} of 3000 lines were unbalanced`)
})

t.test('generated pipelines, valid and broken, are answered as Redis answers them', async (t) => {
  const oracle = await RedisOracle.start()
  t.teardown(() => oracle.stop())
  const insertions = ['\r', '\n', '$', '*', '0', '9', '-', '+', ' ', '\r\n', '"']
  let compared = 0
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Seeded(seed)
    let text = ''
    for (let count = 1 + random.below(4); count > 0; count--) {
      const args = randomArguments(random).slice(0, 30)
      text += multibulk('COMMAND', 'GETKEYS', 'MGET', ...args).toString('latin1')
      if (random.chance(3)) text += random.pick(['\r\n', '*0\r\n', '*-1\r\n', 'PING\r\n', PING])
    }
    for (let changes = seed % 3; changes > 0; changes--) {
      const at = random.below(text.length)
      text = text.slice(0, at) + random.pick(insertions) + text.slice(at + random.below(2))
    }
    // Redis waits for ever for the end of a line with a NUL byte, and we do not: such a byte has to stay inside bulks.
    if (seed % 3 !== 0) text = text.replaceAll('\0', '~')
    const input = latin1(text + PING)
    const ours = answer(eventsOf(input))
    if (ours === null) continue
    const theirs = comparable(await oracle.ask(input))
    if (ours !== theirs) t.equal(ours, theirs, `seed ${seed}: ${JSON.stringify(text)}`)
    compared++
  }
  t.ok(compared > 2000, `${compared} of 3000 compared`)
})

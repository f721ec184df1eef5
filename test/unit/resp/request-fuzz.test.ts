import t from 'tap'
import { ReplyParser, type Reply } from '../../../src/resp/reply-parser.js'
import { authenticatedLimits } from '../../../src/resp/limits.js'
import { RequestParser } from '../../../src/resp/request-parser.js'
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

const HOSTILE_NUMBERS = ['-1', '', '+5', '007', '-0', 'NaN', '2147483648', '4294967301', '9007199254740993']
const HOSTILE_ENDS = [...HOSTILE_NUMBERS, '536870913', '1'.repeat(25), '1e3', ' 1', '1 ', '0x10']
const LIMITS = authenticatedLimits()

function randomPipeline(random: Seeded): Buffer {
  const parts: Buffer[] = []
  for (let requests = 1 + random.below(8); requests > 0; requests--) {
    const kind = random.below(8)
    if (kind === 0) parts.push(latin1(random.pick(['\r\n', '\n', '*0\r\n', '*-1\r\n', '  \r\n'])))
    else if (kind === 1) parts.push(randomInlineLine(random))
    else parts.push(multibulk(...randomArguments(random)))
  }
  return Buffer.concat(parts)
}

/** Bytes changed, lost or added, lengths replaced: mostly not valid any more. */
function mutated(input: Buffer, random: Seeded): Buffer {
  let text = input.toString('latin1')
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(text.length)
    const kind = random.below(4)
    if (kind === 0) text = text.slice(0, at) + text.slice(at + 1)
    else if (kind === 1)
      text = text.slice(0, at) + random.pick(['\r', '\n', '$', '*', '0', '-', '"']) + text.slice(at)
    else if (kind === 2)
      text = text.slice(0, at) + text.slice(at).replace(/[*$]-?\d+/, random.pick(['*', '$']) + at)
    else text = text.slice(0, at) + text.slice(at).replace(/\d+/, random.pick(HOSTILE_ENDS))
  }
  return latin1(text)
}

function inPieces(input: Buffer, parser: RequestParser, nextBytes: () => number): Event[] {
  const feeder = new Feeder(LIMITS, parser)
  let at = 0
  while (at < input.length) {
    const end = Math.min(input.length, at + nextBytes())
    feeder.feed(input.subarray(at, end))
    at = end
  }
  return feeder.events
}

t.test('a pipeline gives the same requests when it is split at any byte, and byte by byte', async (t) => {
  const parser = new RequestParser()
  for (let seed = 1; seed <= 150; seed++) {
    const random = new Seeded(seed)
    const input = seed % 3 === 0 ? mutated(randomPipeline(random), random) : randomPipeline(random)
    const expected = JSON.stringify(eventsOf(input))
    const splits = Math.min(input.length, 400)
    for (let i = 1; i < splits; i++) {
      const first = input.length <= 400 ? i : 1 + random.below(input.length - 1)
      let pieces = 0
      const events = inPieces(input, parser, () => (pieces++ === 0 ? first : input.length))
      if (JSON.stringify(events) !== expected) throw new Error(`seed ${seed}, split at ${first}`)
    }
    const events = inPieces(input, parser, () => 1)
    if (JSON.stringify(events) !== expected) throw new Error(`seed ${seed}, byte by byte`)
  }
  t.pass('150 pipelines')
})

t.test('a pipeline gives the same requests when it comes in pieces of random lengths', async (t) => {
  const parser = new RequestParser()
  for (let seed = 1001; seed <= 4000; seed++) {
    const random = new Seeded(seed)
    const input = seed % 2 === 0 ? mutated(randomPipeline(random), random) : randomPipeline(random)
    const expected = JSON.stringify(eventsOf(input))
    const longest = random.pick([3, 20, 200, 2000])
    const events = inPieces(input, parser, () => 1 + random.below(longest))
    if (JSON.stringify(events) !== expected) throw new Error(`seed ${seed}, pieces up to ${longest}`)
  }
  t.pass('3000 pipelines')
})

t.test('valid pipelines give exactly the arguments that were encoded', async (t) => {
  for (let seed = 5001; seed <= 7000; seed++) {
    const random = new Seeded(seed)
    const sent: Buffer[][] = []
    for (let requests = 1 + random.below(5); requests > 0; requests--) sent.push(randomArguments(random))
    const events = eventsOf(Buffer.concat(sent.map((args) => multibulk(...args))))
    const expected = sent.map((args) => ({ request: args.map((arg) => arg.toString('latin1')) }))
    if (JSON.stringify(events) !== JSON.stringify(expected)) throw new Error(`seed ${seed}`)
  }
  t.pass('2000 pipelines')
})

t.test('redis-parser reads the same arguments from the same multibulk bytes', async (t) => {
  let requests = 0
  for (let seed = 7001; seed <= 12_000; seed++) {
    const random = new Seeded(seed)
    const parts: Buffer[] = []
    for (let count = 1 + random.below(6); count > 0; count--) {
      parts.push(random.chance(12) ? latin1('*0\r\n') : multibulk(...randomArguments(random)))
    }
    const input = Buffer.concat(parts)
    const theirs: string[][] = []
    const parser = new ReplyParser(
      (reply) => theirs.push((reply as readonly Reply[]).map((item) => (item as Buffer).toString('latin1'))),
      (error) => {
        throw new Error(`seed ${seed}`, { cause: error })
      },
    )
    const cut = random.below(input.length)
    parser.execute(Buffer.from(input.subarray(0, cut)))
    parser.execute(Buffer.from(input.subarray(cut)))
    const ours = eventsOf(input).map((event) =>
      typeof event === 'object' && 'request' in event ? event.request : [],
    )
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) throw new Error(`seed ${seed}`)
    requests += ours.length
  }
  t.ok(requests > 5000, `${requests} requests`)
})

t.test(
  'hostile input never throws, and what comes of it does not depend on the requests before',
  async (t) => {
    const used = new RequestParser()
    const kinds = new Set<string>()
    for (let seed = 20_001; seed <= 26_000; seed++) {
      const random = new Seeded(seed)
      const input = random.chance(5)
        ? random.bytes(1 + random.below(60))
        : mutated(randomPipeline(random), random)
      const expected = eventsOf(input)
      const events = inPieces(input, used, () => input.length)
      if (JSON.stringify(events) !== JSON.stringify(expected)) throw new Error(`seed ${seed}`)
      for (const event of events)
        kinds.add(typeof event === 'string' ? event : Object.values(event)[0].toString())
    }
    for (const error of ['invalid multibulk length', 'invalid bulk length', 'unbalanced quotes in request']) {
      t.ok(kinds.has(`Protocol error: ${error}`), `${error} came about`)
    }
  },
)

import t from 'tap'
import { BodyReader, BodyWriter } from '../../../src/repair/body.js'
import * as messages from '../../../src/repair/exchange-messages.js'
import { differences, joined } from '../../../src/repair/exchange.js'

t.test('bodies come back as they were written', (t) => {
  const view: messages.View = {
    remembered: { directoryId: 'ab'.repeat(20), startCounter: 3, bootId: 2 ** 53 - 1 },
    ranges: Array.from({ length: 60 }, (_, range) => ({
      range,
      horizonMs: 3_600_000 * range,
      exchangedMs: [0, 5, 9],
    })),
  }
  t.same(messages.readView(new BodyReader(messages.writeView(view))), view)
  const unknown: messages.View = { remembered: null, ranges: [] }
  t.same(messages.readView(new BodyReader(messages.writeView(unknown))), unknown)
  const begun: messages.Begun = {
    beganMs: 1,
    bootId: 2,
    sequence: 3,
    ranges: [
      { range: 7, state: messages.RANGE_OK, horizonMs: 3_600_000, low: -5, high: 2 ** 31 - 1 },
      { range: 9, state: messages.RANGE_STALE, horizonMs: 0, low: 0, high: 0 },
    ],
  }
  t.same(messages.readBegun(new BodyReader(messages.writeBegun(begun))), begun)
  const digests: messages.KeyDigests = {
    next: 2 ** 53,
    tokens: [4, 4, 9],
    digests: Uint32Array.of(1, 2, 3, 4, 5, 2 ** 32 - 1),
  }
  t.same(messages.readDigests(new BodyReader(messages.writeDigests(digests))), digests)
  t.end()
})

t.test('malformed bodies are told from sound ones, cut anywhere or with something behind', (t) => {
  const view = messages.writeView({
    remembered: { directoryId: 'd', startCounter: 1, bootId: 2 },
    ranges: [{ range: 1, horizonMs: 5, exchangedMs: [1, 2, 3] }],
  })
  const digests = messages.writeDigests({ next: 10, tokens: [1, 2], digests: Uint32Array.of(1, 2, 3, 4) })
  const begun = messages.writeBegun({
    beganMs: 1,
    bootId: 2,
    sequence: 3,
    ranges: [{ range: 1, state: 0, horizonMs: 0, low: 1, high: 2 }],
  })
  const readers: [Buffer, (body: BodyReader) => unknown][] = [
    [view, messages.readView],
    [digests, messages.readDigests],
    [begun, messages.readBegun],
  ]
  for (const [bytes, read] of readers) {
    t.not(read(new BodyReader(Buffer.from(bytes))), null)
    for (let end = 0; end < bytes.length; end++)
      t.equal(read(new BodyReader(bytes, 0, end)), null, `cut at ${end}`)
    t.equal(read(new BodyReader(Buffer.concat([bytes, Buffer.of(0)]))), null, 'something behind')
  }
  const huge = new BodyWriter().u53(5).u32(2 ** 32 - 1)
  t.equal(
    messages.readDigests(new BodyReader(huge.bytes)),
    null,
    'a count that is not there allocates nothing',
  )
  const unordered = messages.writeDigests({ next: 10, tokens: [2, 1], digests: Uint32Array.of(1, 2, 3, 4) })
  t.equal(messages.readDigests(new BodyReader(unordered)), null, 'tokens ascend')
  const far = Buffer.alloc(8, 0xff)
  t.notOk(readsU53(far), 'no number above 2^53')
  t.end()
})

function readsU53(bytes: Buffer): boolean {
  const body = new BodyReader(bytes)
  body.u53()
  return body.isSound
}

t.test('what one side lacks or has otherwise is pulled, pushed, or both', (t) => {
  const of = (next: number, ...keys: [number, number][]): messages.KeyDigests => ({
    next,
    tokens: keys.map(([token]) => token),
    digests: Uint32Array.from(keys.flatMap(([, digest]) => [digest, digest])),
  })
  const cases: readonly [string, messages.KeyDigests, messages.KeyDigests, number[], number[]][] = [
    ['equal', of(10, [1, 5], [2, 6]), of(10, [1, 5], [2, 6]), [], []],
    ['only there', of(10), of(10, [3, 1]), [3], []],
    ['only here', of(10, [3, 1]), of(10), [], [3]],
    ['otherwise', of(10, [3, 1]), of(10, [3, 2]), [3], [3]],
    ['not listed yet', of(10, [3, 1], [7, 1]), of(5, [3, 1]), [], []],
    ['two keys of one token, in another order', of(10, [3, 1], [3, 2]), of(10, [3, 2], [3, 1]), [], []],
    ['one of two keys of a token', of(10, [3, 1], [3, 2]), of(10, [3, 1]), [3], [3]],
  ]
  for (const [what, own, theirs, toPull, toPush] of cases)
    t.same(differences(own, theirs), { toPull, toPush }, what)
  t.end()
})

t.test('stretches that touch are one', (t) => {
  const stretches = [
    { from: 20, end: 30 },
    { from: 0, end: 10 },
    { from: 5, end: 8 },
    { from: 10, end: 12 },
  ]
  t.same(joined(stretches), [
    { from: 0, end: 12 },
    { from: 20, end: 30 },
  ])
  t.end()
})

import { NEVER_DIES } from '../../../src/record/layout.js'
import { WINDOW_TIERS_DEFAULT } from '../../../src/storage/windows/window-tiers.js'
import { parseWindowTiers } from '../../../src/node/window-tiers-text.js'
import t from 'tap'
import { describeAllowed, formatKnob, formatSize, parseKnob, parseSize } from '../../../src/node/knob-type.js'
import type { KnobType } from '../../../src/node/knob-type.js'

const SIZE: KnobType = { kind: 'size', min: 1024, max: 1024 * 1024 }
const INTEGER: KnobType = { kind: 'integer', min: -1, max: 10 }

function value(type: KnobType, text: string): unknown {
  const parsed = parseKnob(type, text)
  return parsed.kind === 'value' ? parsed.value : `refused: ${parsed.redisReason}`
}

t.test('sizes count in thousands with k, m, g and in 1024s with kb, mb, gb, as in Redis', (t) => {
  const sizes: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['100', 100],
    ['100b', 100],
    ['1k', 1000],
    ['1kb', 1024],
    ['3M', 3_000_000],
    ['64mb', 64 * 1024 * 1024],
    ['1g', 1_000_000_000],
    ['1GB', 1024 ** 3],
    ['', undefined],
    ['-1', undefined],
    ['1.5mb', undefined],
    ['64 mb', undefined],
    ['64tb', undefined],
    ['0x10', undefined],
    ['99999999999999999999', undefined],
    ['9007199254740991gb', undefined],
  ]
  for (const [text, bytes] of sizes) t.equal(parseSize(text), bytes, JSON.stringify(text))
  t.end()
})

t.test('a size is written with the largest unit that divides it', (t) => {
  t.equal(formatSize(0), '0')
  t.equal(formatSize(1000), '1000')
  t.equal(formatSize(1024), '1kb')
  t.equal(formatSize(64 * 1024 * 1024), '64mb')
  t.equal(formatSize(3 * 1024 ** 3), '3gb')
  for (const bytes of [0, 1, 1023, 1024, 1536, 5 * 1024 * 1024]) t.equal(parseSize(formatSize(bytes)), bytes)
  t.end()
})

t.test('integers are read within their range and refused in the words of Redis outside it', (t) => {
  t.equal(value(INTEGER, '-1'), -1)
  t.equal(value(INTEGER, '10'), 10)
  t.equal(value(INTEGER, '11'), 'refused: argument must be between -1 and 10 inclusive')
  for (const text of ['', 'x', '1.5', '1e1', '0x1', ' 1', '99999999999999999999']) {
    t.equal(
      value(INTEGER, text),
      "refused: argument couldn't be parsed into an integer",
      JSON.stringify(text),
    )
  }
  t.end()
})

t.test('sizes are refused in the words of Redis', (t) => {
  t.equal(value(SIZE, '2kb'), 2048)
  t.equal(value(SIZE, '1'), 'refused: argument must be between 1024 and 1048576 inclusive')
  t.equal(value(SIZE, 'lots'), 'refused: argument must be a memory value')
  t.end()
})

t.test('choices and yes-no ignore case and name what they allow', (t) => {
  const choice: KnobType = { kind: 'choice', choices: ['everysec', 'always'] }
  t.equal(value(choice, 'Always'), 'always')
  t.equal(value(choice, 'never'), 'refused: argument(s) must be one of the following: everysec, always')
  t.equal(value({ kind: 'yes-no' }, 'YES'), true)
  t.equal(value({ kind: 'yes-no' }, 'no'), false)
  t.equal(value({ kind: 'yes-no' }, 'true'), "refused: argument must be 'yes' or 'no'")
  t.end()
})

t.test('addresses are IP addresses or host names, separated by spaces or commas', (t) => {
  const type: KnobType = { kind: 'addresses' }
  t.same(value(type, '127.0.0.1 ::1,kindred-1.example'), ['127.0.0.1', '::1', 'kindred-1.example'])
  t.same(value(type, 'fe80::1%eth0'), ['fe80::1%eth0'])
  for (const text of ['', '256.0.0.1', '127.0.0', 'a_b', '-a', 'a b;c', Array(17).fill('::1').join(' ')]) {
    t.match(value(type, text), /^refused/, JSON.stringify(text))
  }
  t.end()
})

t.test('the output limit is written as in Redis, for the one class of clients there is', (t) => {
  const type: KnobType = { kind: 'output-limit' }
  t.same(value(type, 'normal 1mb 512kb 60'), { hardBytes: 1048576, softBytes: 524288, softSeconds: 60 })
  t.match(value(type, 'normal 1mb'), /Wrong number of arguments/)
  t.match(value(type, 'pubsub 1mb 1mb 60'), /Invalid client class/)
  t.match(value(type, 'normal 1mb 1mb soon'), /Error in hard, soft or soft_seconds/)
  t.end()
})

t.test(
  'window tiers ascend, and no tier has so many windows that a flush makes a file for each of thousands',
  (t) => {
    t.same(parseWindowTiers('No'), [])
    t.same(parseWindowTiers(' 30s:500ms  1m'), [
      { withinMs: 30_000, widthMs: 500 },
      { withinMs: NEVER_DIES, widthMs: 60_000 },
    ])
    t.same(parseWindowTiers('1h:5m 1d:1h 1d'), WINDOW_TIERS_DEFAULT)
    for (const text of [
      '',
      '1h:5m',
      '5m 1h',
      '1h:5m:1m 1d',
      '1d:1h 1h:5m 1d',
      '1h:1h 5m',
      '1h:1s 1d',
      '1h:5 1d',
      '1ms',
    ]) {
      t.equal(parseWindowTiers(text), undefined, text)
    }
    t.end()
  },
)

t.test('a value that is printed can be read again', (t) => {
  const samples: readonly (readonly [KnobType, string])[] = [
    [INTEGER, '7'],
    [SIZE, '64kb'],
    [{ kind: 'yes-no' }, 'yes'],
    [{ kind: 'choice', choices: ['a', 'b'] }, 'b'],
    [{ kind: 'text', minLength: 0, maxLength: 9 }, ''],
    [{ kind: 'addresses' }, '127.0.0.1 ::1'],
    [{ kind: 'output-limit' }, 'normal 1gb 256mb 60'],
    [{ kind: 'window-tiers' }, '1h:5m 1d:1h 1d'],
  ]
  for (const [type, text] of samples) {
    const first = parseKnob(type, text)
    if (first.kind !== 'value') throw new Error(`${text} is refused`)
    t.same(parseKnob(type, formatKnob(first.value)), first, `${type.kind}: ${text}`)
    t.not(describeAllowed(type), '')
  }
  t.end()
})

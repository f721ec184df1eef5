/** Extended precision: known values, and random sums against redis-server. */
import t from 'tap'
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../../../src/commands/long-double.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { Seeded } from '../../support/seeded.js'

function sum(a: string, b: string): string | null {
  const one = parseLongDouble(Buffer.from(a), 0, Buffer.byteLength(a))
  const other = parseLongDouble(Buffer.from(b), 0, Buffer.byteLength(b))
  if (one === null || other === null) return null
  const total = addLongDoubles(one, other)
  return total === null ? 'not finite' : formatLongDouble(total)
}

t.test('sums keep 64 bits of mantissa and 17 digits after the point', (t) => {
  t.equal(sum('0.1', '0.2'), '0.3')
  t.equal(sum('9223372036854775807', '1'), '9223372036854775808')
  t.equal(sum('18446744073709551615', '1'), '18446744073709551616', 'half to even')
  t.equal(sum('18446744073709551616', '1'), '18446744073709551616')
  t.equal(sum('18446744073709551618', '1'), '18446744073709551620')
  t.equal(sum('1e20', '-1e20'), '0')
  t.equal(sum('-1', '-0.5'), '-1.5')
  t.equal(sum('-1e-18', '0'), '0', 'no minus before a zero')
  t.end()
})

t.test('the range ends where the format ends', (t) => {
  const largest = '1.18973149535723176502e4932'
  t.equal(sum(largest, '0')?.length, 4933)
  t.equal(sum(largest, largest), 'not finite')
  t.equal(sum('1.2e4932', '0'), null)
  t.equal(sum('3.6e-4951', '1'), '1')
  t.equal(sum('1e-4952', '1'), null)
  t.equal(sum('0e99999999', '1'), '1')
  t.equal(sum('1e99999999999999999999', '1'), null)
  t.equal(sum(`0x1p${'9'.repeat(400)}`, '1'), null)
  t.end()
})

t.test('text is read to its end or not at all', (t) => {
  for (const text of [
    '',
    ' 1',
    '1 ',
    '+',
    '.',
    'e1',
    '1e',
    '1e+',
    '0x',
    '0xg',
    '1_0',
    '1,5',
    'nan',
    'infin',
    '1\0',
  ])
    t.equal(sum(text, '0'), null, JSON.stringify(text))
  t.equal(sum('1'.repeat(5119), '0')?.length ?? null, null, 'too large a number')
  t.equal(sum(`0.${'1'.repeat(5117)}`, '0'), '0.11111111111111111')
  t.equal(sum(`0.${'1'.repeat(5118)}`, '0'), null, 'longer than what Redis reads')
  t.equal(sum('0X1.8P+1', '0'), '3')
  t.end()
})

t.test('random sums are those of redis-server', async (t) => {
  const redis = await PrivateRedis.start()
  t.teardown(() => redis.stop())
  const connection = await redis.open()
  t.teardown(() => connection.close())
  const seed = 7
  const random = new Seeded(seed)
  const pairs = Array.from({ length: 3000 }, () => [randomNumber(random), randomNumber(random)] as const)
  const commands = pairs.flatMap(([a, b]) => [
    ['SET', 'k', a],
    ['INCRBYFLOAT', 'k', b],
  ])
  const replies = await connection.run(commands.map((args) => args.map((arg) => Buffer.from(arg))))
  let same = 0
  for (const [index, [a, b]] of pairs.entries()) {
    const text = replies[2 * index + 1].toString('latin1').replace(/\r\n$/, '')
    const theirs = text.startsWith('$')
      ? text.slice(text.indexOf('\n') + 1)
      : text.includes('NaN')
        ? 'not finite'
        : null
    const ours = sum(a, b)
    if (ours === theirs) same++
    else t.equal(ours, theirs, `${a} + ${b} (seed ${seed})`)
  }
  t.equal(same, pairs.length, 'all agree')
})

function randomNumber(random: Seeded): string {
  const digits = (count: number): string => Array.from({ length: count }, () => random.below(10)).join('')
  const sign = random.pick(['', '-', '+'])
  switch (random.below(6)) {
    case 0:
      return `${sign}${digits(1 + random.below(25))}`
    case 1:
      return `${sign}${digits(1 + random.below(6))}.${digits(random.below(25))}`
    case 2:
      return `${sign}.${digits(1 + random.below(20))}e${random.below(60) - 30}`
    case 3:
      return `${sign}${digits(1 + random.below(20))}e${random.below(10_000) - 5000}`
    case 4:
      return `${sign}0x${random.below(2 ** 32).toString(16)}${random.pick(['', '.8', '.0f1'])}p${random.below(200) - 100}`
    default:
      return `${sign}${random.pick(['0', '1', '0.5', '18446744073709551615', '1e4932', '1.5e-4951', '1e-17', '5e-18'])}`
  }
}

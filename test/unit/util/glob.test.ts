/** Glob patterns: Redis's corners one by one, random ones against redis-server, and what the worst of them cost. */
import t from 'tap'
import type { Test } from 'tap'
import { GLOB_STRING_BYTES_MAX, Glob } from '../../../src/util/glob.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { Seeded } from '../../support/seeded.js'

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Printable in a title. */
function shown(text: string): string {
  return encodeURI(JSON.stringify(text))
}

function matches(pattern: string, text: string): boolean {
  const bytes = bytesOf(`<${text}>`)
  return new Glob(bytesOf(pattern)).matches(bytes, 1, bytes.length - 1)
}

function check(t: Test, pattern: string, yes: readonly string[], no: readonly string[]): void {
  for (const text of yes) t.equal(matches(pattern, text), true, `${shown(pattern)} matches ${shown(text)}`)
  for (const text of no)
    t.equal(matches(pattern, text), false, `${shown(pattern)} does not match ${shown(text)}`)
}

t.test('a star takes any bytes, also none', (t) => {
  check(t, 'a*c', ['ac', 'abc', 'abbc', 'acc'], ['a', 'acb', 'bac', ''])
  check(t, '*a*b*', ['ab', 'xaxbx', 'aab', 'abab'], ['ba', 'a', 'b'])
  check(t, '*', ['a', 'abc'], [''])
  check(t, '***', ['a', 'abc'], [''])
  check(t, 'a**', ['a', 'ab'], ['b'])
  check(t, '*ab', ['ab', 'aab', 'abab'], ['aba', 'b'])
  t.end()
})

t.test('a question mark takes one byte', (t) => {
  check(t, '?', ['a', '\xff'], ['', 'ab'])
  check(t, 'a?*', ['ab', 'abc'], ['a'])
  t.end()
})

t.test('a class takes one of its bytes', (t) => {
  check(t, '[abc]', ['a', 'b', 'c'], ['d', '', 'ab'])
  check(t, '[^abc]', ['d', '^'], ['a', ''])
  check(t, '[a-c]x', ['ax', 'bx', 'cx'], ['dx', '-x'])
  check(t, '[c-a]', ['a', 'b', 'c'], ['d'])
  check(t, '[a\\-c]', ['a', '-', 'c'], ['b', '\\'])
  check(t, '[\\]]', [']'], ['\\'])
  check(t, '[]a]', [], [']', 'a', 'a]'])
  t.end()
})

t.test('a class that is not closed ends with the pattern', (t) => {
  check(t, '[', [], ['', '[', 'a'])
  check(t, '[^', ['a', '['], ['', 'ab'])
  check(t, '[ab', ['a', 'b'], ['[', 'ab'])
  check(t, '[a-', ['a', '-'], ['b'])
  check(t, '[a-]', [']', 'a', '^'], ['-', 'b'])
  check(t, '[\\', ['\\'], ['['])
  t.end()
})

t.test('a backslash makes the next byte literal, and is one itself at the end', (t) => {
  check(t, '\\*', ['*'], ['a', '\\*'])
  check(t, '\\?\\[', ['?['], ['a['])
  check(t, 'a\\', ['a\\'], ['a'])
  t.end()
})

t.test('ranges compare signed bytes, as on the machines that Redis runs on', (t) => {
  check(t, '[\x7f-\x80]', ['\x00', 'a', '\x7f', '\x80', '\xff'], [])
  check(t, '[\x80-\xff]', ['\x80', '\xc0', '\xff'], ['\x7f', 'a'])
  check(t, '[\xff-\x01]', ['\xff', '\x00', '\x01'], ['\x02', '\xfe'])
  t.end()
})

t.test('the empty string matches the empty pattern only', (t) => {
  check(t, '', [''], ['a'])
  check(t, 'a', [], [''])
  t.end()
})

t.test('random patterns match what redis-server matches', async (t) => {
  const redis = await PrivateRedis.start()
  t.teardown(() => redis.stop())
  const connection = await redis.open()
  t.teardown(() => connection.close())
  const seed = 20_261_121
  const random = new Seeded(seed)
  const keys = new Map<string, Buffer>()
  while (keys.size < 400) {
    const key = textOver(random, ['a', 'b', 'c', '-', ']', '[', '^', '\\', '*', '\x80', '\xff'], 6)
    keys.set(key, bytesOf(key))
  }
  await connection.run([...keys.values()].map((key) => [bytesOf('SET'), key, bytesOf('x')]))
  const patterns = Array.from({ length: 3000 }, () =>
    textOver(
      random,
      ['a', 'b', 'c', '*', '*', '?', '[', '[^', ']', '-', 'a-c', '\\', '^', '\x80', '\xff'],
      9,
    ),
  ).filter((pattern) => pattern !== '*')
  const replies = await connection.run(patterns.map((pattern) => [bytesOf('KEYS'), bytesOf(pattern)]))
  let matched = 0
  for (const [index, pattern] of patterns.entries()) {
    const expected = keysIn(replies[index])
    const glob = new Glob(bytesOf(pattern))
    const found = [...keys.values()].filter((key) => glob.matches(key, 0, key.length))
    const names = found.map((key) => key.toString('latin1')).sort()
    matched += names.length
    if (names.join('\n') === expected.join('\n')) continue
    t.same(names, expected, `pattern ${JSON.stringify(pattern)} (seed ${seed})`)
    return
  }
  t.ok(matched > 10_000, `${patterns.length} patterns agree, ${matched} matches`)
})

function textOver(random: Seeded, alphabet: readonly string[], lengthMax: number): string {
  return Array.from({ length: random.below(lengthMax + 1) }, () => random.pick(alphabet)).join('')
}

/** The keys of a KEYS reply, sorted; none of them contains a line break. */
function keysIn(reply: Buffer): string[] {
  const lines = reply.toString('latin1').split('\r\n')
  return lines
    .filter((_, index) => index % 2 === 0 && index > 0)
    .slice(0, Number(lines[0].slice(1)))
    .sort()
}

t.test('no pattern costs more than its elements times the bytes of the string', (t) => {
  const string = Buffer.alloc(GLOB_STRING_BYTES_MAX, 'a')
  const cases: readonly (readonly [string, number])[] = [
    [`${'a*'.repeat(32 * 1024)}b`, 2],
    [`${'a*'.repeat(32 * 1024)}b*`, 2 * string.length],
    [`${'*a'.repeat(16 * 1024)}*b*`, 2 * string.length],
    [`*${'a'.repeat(32 * 1024)}b`, string.length],
    [`${'?*'.repeat(1000)}b*c`, 2],
    [`*${'[a-z]'.repeat(100)}b*`, 101 * string.length],
    [`*${'a'.repeat(70 * 1024)}*`, 0],
  ]
  for (const [pattern, stepsMax] of cases) {
    const glob = new Glob(Buffer.from(pattern))
    t.equal(glob.matches(string, 0, string.length), false)
    t.ok(glob.steps <= stepsMax, `${pattern.slice(0, 12)}… takes ${glob.steps} steps, at most ${stepsMax}`)
  }
  t.end()
})

t.test('a string longer than any key matches nothing', (t) => {
  const string = Buffer.alloc(GLOB_STRING_BYTES_MAX + 1, 'a')
  t.equal(new Glob(Buffer.from('a*a')).matches(string, 0, string.length), false)
  t.equal(new Glob(Buffer.from('a*a')).matches(string, 1, string.length), true)
  t.end()
})

/** Walking the keyspace: what SCAN guarantees, what bounds it, how KEYS and RANDOMKEY wait. */
import t from 'tap'
import type { Test } from 'tap'
import {
  KEYS_STEP_KEYS,
  SCAN_GLOB_STEPS_MAX,
  SCAN_KEYS_MAX,
  SCAN_STEP_KEYS,
} from '../../../src/commands/key-list.js'
import { KEY_BYTES_MAX } from '../../../src/resp/limits.js'
import { GLOB_STRING_BYTES_MAX } from '../../../src/util/glob.js'
import { HandlerRunner } from './handler-runner.js'
import { bothWays, reply } from './scripts.js'

t.equal(GLOB_STRING_BYTES_MAX, KEY_BYTES_MAX, 'patterns are held against keys of every length')

const SYNTAX = '-ERR syntax error'
const NOT_INTEGER = '-ERR value is not an integer or out of range'

/** Sets k0 to k<count-1>, each holding its own name. */
async function fill(runner: HandlerRunner, count: number): Promise<void> {
  for (let first = 0; first < count; first += 500) {
    const names = Array.from({ length: Math.min(500, count - first) }, (_, index) => `k${first + index}`)
    await runner.text('mset', ...names.flatMap((name) => [name, name]))
  }
}

interface Page {
  readonly cursor: string
  readonly keys: readonly string[]
}

function page(text: string): Page {
  const lines = text.split('\r\n')
  const keys = lines.slice(4).filter((_, index) => index % 2 === 1)
  return { cursor: lines[2], keys }
}

async function scanAll(runner: HandlerRunner, ...options: readonly string[]): Promise<Page[]> {
  const pages: Page[] = []
  let cursor = '0'
  do {
    pages.push(page(await runner.text('scan', cursor, ...options)))
    cursor = pages[pages.length - 1].cursor
  } while (cursor !== '0')
  return pages
}

function sameKeys(t: Test, pages: readonly Page[], expected: readonly string[]): void {
  const keys = pages.flatMap(({ keys }) => keys)
  t.same([...keys].sort(), [...expected].sort(), 'every key exactly once')
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`)

await bothWays(t, 'SCAN pages through all keys, about COUNT at a time', async (_, runner, t) => {
  await fill(runner, 1000)
  const byTen = await scanAll(runner)
  sameKeys(t, byTen, numbered(1000))
  t.ok(byTen.every(({ keys }) => keys.length <= 10))
  const all = await scanAll(runner, 'COUNT', '1000')
  sameKeys(t, all, numbered(1000))
  t.ok(all.length < byTen.length)
})

await bothWays(
  t,
  'R4 a key that stays is seen exactly once, whatever comes and goes meanwhile',
  async (_, runner, t) => {
    await fill(runner, 300)
    const seen: string[] = []
    let cursor = '0'
    let round = 0
    do {
      const next = page(await runner.text('scan', cursor, 'COUNT', '7'))
      seen.push(...next.keys)
      cursor = next.cursor
      await runner.text('set', `new${round++}`, 'x')
      await runner.text('del', `k${round}`)
      await runner.text('set', `k${200 + (round % 50)}`, 'changed')
    } while (cursor !== '0')
    const staying = numbered(300).slice(round + 1)
    t.same(
      staying.filter((key) => seen.filter((other) => other === key).length !== 1),
      [],
    )
  },
)

await bothWays(t, 'MATCH filters, and what it leaves out counts all the same', async (_, runner, t) => {
  await fill(runner, 300)
  const pages = await scanAll(runner, 'MATCH', 'k1?', 'COUNT', '20')
  sameKeys(t, pages, ['k10', 'k11', 'k12', 'k13', 'k14', 'k15', 'k16', 'k17', 'k18', 'k19'])
  t.equal(pages.length, 15)
  await runner.text('set', '', 'the empty key')
  sameKeys(t, await scanAll(runner, 'MATCH', '*'), [...numbered(300), ''])
})

await bothWays(t, 'TYPE knows strings only', async (play, runner, t) => {
  await fill(runner, 50)
  sameKeys(t, await scanAll(runner, 'TYPE', 'String'), numbered(50))
  await play([
    ['scan 0 TYPE hash', '*2 $1 0 *0'],
    ['scan 0 type strings', '*2 $1 0 *0'],
    ['scan 5 type zset count 0', SYNTAX],
  ])
})

await bothWays(t, 'cursors are read as Redis reads them', (play) =>
  play([
    ['set a 1', '+OK'],
    ['scan ""', '*2 $1 0 *1 $1 a'],
    ['scan +0', '*2 $1 0 *1 $1 a'],
    ['scan 00', '*2 $1 0 *1 $1 a'],
    ['scan 9007199254740992', '*2 $1 0 *0'],
    ['scan 18446744073709551615', '*2 $1 0 *0'],
    ['scan -1', '*2 $1 0 *0'],
    ['scan 18446744073709551616', '-ERR invalid cursor'],
    ['scan x', '-ERR invalid cursor'],
    ['scan 1x', '-ERR invalid cursor'],
    ['scan -', '-ERR invalid cursor'],
    ['scan x COUNT', '-ERR invalid cursor'],
  ]),
)

await bothWays(t, 'options are read in their order, the last of a kind counts', (play) =>
  play([
    ['scan 0 COUNT 0', SYNTAX],
    ['scan 0 COUNT -5', SYNTAX],
    ['scan 0 COUNT x', NOT_INTEGER],
    ['scan 0 COUNT', SYNTAX],
    ['scan 0 MATCH', SYNTAX],
    ['scan 0 x y', SYNTAX],
    ['scan 0 COUNT x y', NOT_INTEGER],
    ['set a 1', '+OK'],
    ['scan 0 match b count 5 match a', '*2 $1 0 *1 $1 a'],
  ]),
)

t.test('one SCAN call visits a bounded number of keys', async (t) => {
  const runner = new HandlerRunner()
  await fill(runner, 2 * SCAN_STEP_KEYS + 10)
  const { keyspace } = runner
  await runner.text('scan', '0', 'COUNT', '9223372036854775807')
  t.equal(keyspace.visits, 2 * SCAN_STEP_KEYS + 10)
  t.equal(keyspace.scans, 3, 'in steps')
  t.ok(SCAN_KEYS_MAX < 1_000_000)
})

t.test('one SCAN call spends a bounded number of steps on its pattern', async (t) => {
  const runner = new HandlerRunner()
  const key = 'a'.repeat(3000)
  for (let index = 0; index < SCAN_STEP_KEYS + 10; index++) await runner.text('set', `${key}${index}`, 'x')
  const pattern = `*${'a'.repeat(20)}b*`
  const first = page(await runner.text('scan', '0', 'MATCH', pattern, 'COUNT', '1000'))
  t.ok(SCAN_STEP_KEYS * 20 * 3000 > SCAN_GLOB_STEPS_MAX, 'the first step alone costs more than a call may')
  t.not(first.cursor, '0')
  t.same(page(await runner.text('scan', first.cursor, 'MATCH', pattern, 'COUNT', '1000')).cursor, '0')
})

t.test('a SCAN that meets cold blocks on its way answers what it has', async (t) => {
  const runner = new HandlerRunner()
  await fill(runner, 3 * SCAN_STEP_KEYS)
  runner.keyspace.cold = true
  const first = page(await runner.text('scan', '0', 'COUNT', '100000'))
  t.equal(first.keys.length, SCAN_STEP_KEYS)
  t.equal(runner.reruns, 1, 'only the first step has to wait')
  sameKeys(t, await scanAll(runner, 'COUNT', '100000'), numbered(3 * SCAN_STEP_KEYS))
})

await bothWays(t, 'KEYS answers all keys that match, across its steps', async (play, runner, t) => {
  await play([['keys *', '*0']])
  await fill(runner, KEYS_STEP_KEYS + 100)
  const all = (await runner.text('keys', '*')).split('\r\n')
  t.equal(all[0], `*${KEYS_STEP_KEYS + 100}`)
  t.same(all.filter((_, index) => index > 0 && index % 2 === 0).sort(), numbered(KEYS_STEP_KEYS + 100).sort())
  await play([['keys k1234', KEYS_STEP_KEYS + 100 > 1234 ? '*1 $5 k1234' : '*0']])
  await play([
    ['keys k7', '*1 $2 k7'],
    ['keys x*', '*0'],
    ['set "" 1', '+OK'],
  ])
  t.equal((await runner.text('keys', '*')).split('\r\n')[0], `*${KEYS_STEP_KEYS + 101}`, 'also the empty key')
})

await bothWays(
  t,
  'a KEYS reply is bounded once it takes more than one step',
  async (play, runner) => {
    await fill(runner, KEYS_STEP_KEYS + 1)
    await play([
      ['keys *', '-ERR KEYS would answer more than proto-max-bulk-len, use SCAN'],
      ['keys k1', '*1 $2 k1'],
    ])
  },
  { protoMaxBulkLenBytes: 1000 },
)

t.test('KEYS lets others run between its steps', async (t) => {
  const runner = new HandlerRunner()
  await fill(runner, 3 * KEYS_STEP_KEYS)
  let turns = 0
  let counting = true
  const count = (): void => {
    turns++
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  await runner.text('keys', 'nothing')
  counting = false
  t.ok(turns >= 2, `${turns} turns of the event loop`)
})

await bothWays(t, 'RANDOMKEY answers one of the keys, nil only without any', async (play, runner, t) => {
  await play([['randomkey', '$-1']])
  await play([
    ['set only 1', '+OK'],
    ['randomkey', '$4 only'],
  ])
  await play([['del only', ':1']])
  await fill(runner, 40)
  const picked = new Map<string, number>()
  for (let draw = 0; draw < 2000; draw++) {
    const key = (await reply(runner, 'randomkey')).split(' ')[1]
    picked.set(key, (picked.get(key) ?? 0) + 1)
  }
  t.same([...picked.keys()].sort(), numbered(40).sort(), 'all of them in the long run')
  t.ok(Math.max(...picked.values()) < 2000 / 8, 'none of them far too often')
})

await bothWays(t, 'steps that meet nothing but dead keys are walked over', async (play, runner, t) => {
  const { keyspace } = runner
  await fill(runner, 600)
  for (const name of numbered(600)) if (name !== 'k7') await runner.text('pexpire', name, '10')
  keyspace.now += 10
  keyspace.entriesPerScan = 5
  for (let draw = 0; draw < 5; draw++) await play([['randomkey', '$2 k7']])
  await play([
    ['keys *', '*1 $2 k7'],
    ['del k7', ':1'],
    ['randomkey', '$-1'],
    ['keys *', '*0'],
  ])
  t.same(await scanAll(runner).then((pages) => pages.flatMap(({ keys }) => keys)), [])
})

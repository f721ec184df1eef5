import t from 'tap'
import type { Test } from 'tap'
import { PAGE_KEYS_MAX } from '../../../src/coordinator/local-scan.js'
import { mergeScanPages } from '../../../src/coordinator/scan-merge.js'
import { ScanPage } from '../../../src/coordinator/scan-page.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import type { TokenRange } from '../../../src/ring/slot-range.js'
import { tokensOf } from '../../../src/ring/slot-range.js'
import { KeyHash, TOKEN_END } from '../../../src/ring/token.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'
import { TWINS } from '../storage/twin-keys.js'
import { deletion, encoded, MergerProbe, value } from './records.js'

const EVERYTHING = tokensOf({ firstSlot: 0, lastSlot: SLOT_COUNT - 1 })

interface Shown {
  readonly key: string
  readonly token: number
  readonly isLive: boolean
  readonly hlc: number
  readonly actor: number
}

async function started(seed: string): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed(seed, TINY)
  await machine.start()
  return machine
}

async function write(
  machine: StorageMachine,
  key: string,
  text: string | null,
  expireAtMs = 0,
): Promise<void> {
  await machine.admission((text ?? '').length + 600)
  const bytes = Buffer.from(key)
  await machine.command([bytes], () => {
    if (text === null) return machine.keyspace.delete(bytes, 0, bytes.length)
    machine.keyspace.set(bytes, 0, bytes.length, Buffer.from(text), 0, text.length, expireAtMs)
  })
  await machine.settle()
}

/** A page; blocks that are missing are loaded. */
async function pageOf(machine: StorageMachine, range: TokenRange, count: number): Promise<ScanPage> {
  for (;;) {
    machine.keyspace.beginBatch()
    machine.keyspace.beginRequest()
    const bytes = machine.keyspace.scanPage(range, count)
    if (bytes === null) {
      let done = false
      const load = machine.keyspace.startLoads(() => (done = true))
      await machine.until(() => done, 'the blocks are loaded')
      const again = machine.keyspace.scanPage(range, count)
      load?.release()
      if (again === null) continue
      return decoded(again)
    }
    return decoded(bytes)
  }
}

function decoded(bytes: Buffer): ScanPage {
  const page = ScanPage.decode(bytes)
  if (page === null) throw new Error('it is a page')
  return page
}

function entriesOf(page: ScanPage): Shown[] {
  const shown: Shown[] = []
  while (page.advance()) {
    const { token, isLive, hlc, actor } = page
    shown.push({ key: page.bytes.toString('latin1', page.keyStart, page.keyEnd), token, isLive, hlc, actor })
  }
  return shown
}

/** All that the machine knows, page by page. */
async function scanned(machine: StorageMachine, range: TokenRange, count: number): Promise<Shown[]> {
  const shown: Shown[] = []
  for (let start = range.start; start < range.end;) {
    const page = await pageOf(machine, { start, end: range.end }, count)
    if (page.next <= start) throw new Error('a page gets nowhere')
    shown.push(...entriesOf(page))
    start = page.next
  }
  return shown
}

function tokenOf(key: string): number {
  const hash = new KeyHash()
  hash.of(Buffer.from(key), 0, key.length)
  return hash.token
}

async function filled(t: Test): Promise<{ machine: StorageMachine; expected: Map<string, boolean> }> {
  const machine = await started(t.name)
  const expected = new Map<string, boolean>()
  const keys = [...TWINS.flat(), ...Array.from({ length: 60 }, (_, i) => `key ${i}`)]
  for (let round = 0; round < 4; round++) {
    for (const [i, key] of keys.entries()) {
      const isDeleted = (i + round) % 5 === 0 && expected.get(key) === true
      await write(machine, key, isDeleted ? null : `${round}`.repeat(150))
      expected.set(key, !isDeleted)
      await machine.advance(1)
    }
  }
  await write(machine, 'mortal', 'value', machine.nowMs + 5000)
  await machine.advance(6000)
  return { machine, expected: expected.set('mortal', false) }
}

t.test(
  'R4 the pages of a store have every key once, the dead too, from memory and from tables',
  async (t) => {
    const { machine, expected } = await filled(t)
    t.ok(machine.store.facts().flushes > 3)
    for (const count of [1, 7, 5000]) {
      const shown = await scanned(machine, EVERYTHING, count)
      const keys = shown.map(({ key }) => key)
      // A node by itself purges what is dead: such keys may be gone.
      const there = [...expected.keys()].filter((key) => expected.get(key) === true || keys.includes(key))
      const inOrder = there.sort((a, b) => tokenOf(a) - tokenOf(b) || (a < b ? -1 : 1))
      t.same(keys, inOrder)
      t.ok(shown.some(({ isLive }) => !isLive))
      for (const { key, token, isLive, actor } of shown) {
        if (token !== tokenOf(key) || isLive !== expected.get(key)) t.fail(`${key} by ${count}`)
        t.equal(actor, machine.keyspace.actor)
      }
    }
  },
)

t.test('R4 a range is scanned from its start to before its end', async (t) => {
  const { machine } = await filled(t)
  const all = await scanned(machine, EVERYTHING, 100)
  for (let i = 0; i < all.length; i += 3) {
    const end = i + 10 < all.length ? all[i + 10].token : TOKEN_END
    const range = { start: all[i].token, end }
    const expected = all.filter(({ token }) => token >= range.start && token < end)
    t.same(await scanned(machine, range, 4), expected)
  }
  t.match(await pageOf(machine, { start: 5, end: 6 }, 10), { next: 6, entryCount: 0 })
})

t.test('the dot of a page is the winner, or the newest that was seen where no sibling is left', async (t) => {
  const machine = await started('dots')
  const probe = new MergerProbe(machine)
  const hlc = 1000
  await probe.merge(encoded('two', [value(1, hlc + 5, 'newer'), value(2, hlc, 'older')]))
  await probe.merge(encoded('deleted', [deletion(3, hlc + 1), value(1, hlc, 'older')]))
  await probe.merge(
    encoded(
      'nothing',
      [],
      [
        { actor: 1, hlc: 7 },
        { actor: 2, hlc: 9 },
        { actor: 3, hlc: 8 },
      ],
    ),
  )
  const shown = new Map((await scanned(machine, EVERYTHING, 10)).map((entry) => [entry.key, entry]))
  t.match(shown.get('two'), { isLive: true, hlc: hlc + 5, actor: 1 })
  t.match(shown.get('deleted'), { isLive: false, hlc: hlc + 1, actor: 3 })
  t.match(shown.get('nothing'), { isLive: false, hlc: 9, actor: 2 })
})

t.test('R2 a page waits for the newest entry that it shows, and for the flush mark', async (t) => {
  const machine = await started('durable')
  await write(machine, 'old', 'value')
  const { keyspace, store } = machine
  keyspace.beginBatch()
  keyspace.scanPage(EVERYTHING, 10)
  t.equal(keyspace.needSequence, 0)
  const key = Buffer.from('new')
  keyspace.find(key, 0, key.length)
  keyspace.set(key, 0, key.length, key, 0, key.length, 0)
  keyspace.beginBatch()
  keyspace.scanPage(EVERYTHING, 10)
  t.equal(keyspace.needSequence, store.sequence)
  await machine.settle()

  const flushed = keyspace.flushAll()
  keyspace.beginBatch()
  const page = decoded(keyspace.scanPage(EVERYTHING, 10) ?? Buffer.alloc(0))
  t.equal(keyspace.needSequence, store.sequence)
  t.equal(page.flushMark, store.flushMark)
  t.ok(entriesOf(page).every(({ isLive }) => !isLive))
  await machine.until(() => store.durableSequence === store.sequence, 'the mark is durable')
  await flushed
})

t.test('R4 a replica that has seen deletions outvotes one that has not', async (t) => {
  const [behind, ahead] = [await started('behind'), await started('ahead')]
  const [first, second] = [new MergerProbe(behind), new MergerProbe(ahead)]
  for (let i = 0; i < 50; i++) {
    const record = encoded(`key ${i}`, [value(1, 1000 + i, 'value')])
    await first.merge(record)
    await second.merge(
      i % 2 === 0 ? record : encoded(`key ${i}`, [deletion(2, 2000)], [{ actor: 1, hlc: 1000 + i }]),
    )
  }
  const keys: string[] = []
  for (let start = 0; start < TOKEN_END;) {
    const range = { start, end: TOKEN_END }
    const pages = [await pageOf(behind, range, 6), await pageOf(ahead, range, 9)]
    start = mergeScanPages(pages, (bytes, from, to) => keys.push(bytes.toString('latin1', from, to)))
  }
  t.same(new Set(keys), new Set(Array.from({ length: 25 }, (_, i) => `key ${2 * i}`)))
  t.equal(keys.length, 25)
})

t.test('a page is bounded, whatever is asked for', async (t) => {
  const machine = StorageMachine.fromSeed('bounded', { ...TINY, segmentBytes: 1024 * 1024 })
  await machine.start()
  machine.keyspace.beginBatch()
  for (let i = 0; i < PAGE_KEYS_MAX + 100; i++) {
    const key = Buffer.from(`key ${i}`)
    machine.keyspace.find(key, 0, key.length)
    machine.keyspace.set(key, 0, key.length, key, 0, key.length, 0)
  }
  await machine.settle()
  t.equal((await pageOf(machine, EVERYTHING, Infinity)).entryCount, PAGE_KEYS_MAX)
  t.equal((await pageOf(machine, EVERYTHING, 0)).entryCount, 1)
})

/** RULES T1 to T7, each by the story that breaks without it, on a storage engine with small windows and time under control. */
import t from 'tap'
import type { Test } from 'tap'
import { RecordMerger } from '../../src/coordinator/record-merger.js'
import { wallMsToHlc } from '../../src/record/hlc.js'
import { NEVER_DIES, keyLength, keyStart } from '../../src/record/layout.js'
import { KeyHash } from '../../src/ring/token.js'
import { EntryRef } from '../../src/storage/entry.js'
import { ABSENT } from '../../src/storage/table/table-lookup.js'
import { encodeRecord, valueSibling } from '../../src/record/record.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { StorageMachine, TINY, TINY_WINDOWS } from './storage-machine.js'

const KEY = 'key'
/** A moment at which no window of any tier ends, one second into the widest. */
const START_MS = Date.UTC(2026, 0, 1, 0, 0, 1)

function keyOf(bytes: Buffer, record: number): string {
  const start = keyStart(record)
  return bytes.toString('latin1', start, start + keyLength(bytes, record))
}

class Life {
  readonly machine: StorageMachine
  #fillers = 0

  constructor(name: string, options: Partial<StoreOptions> = {}) {
    this.machine = StorageMachine.fromSeed(name, {
      ...TINY,
      segmentBytes: 4096,
      families: TINY_WINDOWS,
      ...options,
    })
  }

  static async begun(name: string, options: Partial<StoreOptions> = {}): Promise<Life> {
    const life = new Life(name, options)
    const { clock } = life.machine.env
    clock.jumpWall(START_MS - clock.wallMs())
    await life.machine.start()
    return life
  }

  /** `livesMs`: 0 for ever. */
  async set(key: string, value: string, livesMs = 0): Promise<void> {
    const { machine } = this
    const bytes = Buffer.from(key)
    const dies = livesMs === 0 ? 0 : machine.nowMs + livesMs
    await machine.admission(1000)
    await machine.command([bytes], () =>
      machine.keyspace.set(bytes, 0, bytes.length, Buffer.from(value), 0, value.length, dies),
    )
  }

  async delete(key: string): Promise<void> {
    const bytes = Buffer.from(key)
    await this.machine.admission(1000)
    await this.machine.command([bytes], () => this.machine.keyspace.delete(bytes, 0, bytes.length))
  }

  async get(key = KEY): Promise<string | null> {
    return (await this.machine.get(key))?.value ?? null
  }

  /** Everything that was written so far lies in tables, and no memory answers for them. */
  async flush(): Promise<void> {
    const { machine } = this
    const flushes = machine.store.facts().flushes + TINY.segmentsMax + 1
    while (machine.store.facts().flushes < flushes) {
      await this.set(`filler ${this.#fillers++ % 20}`, 'x'.repeat(300))
      await machine.advance(1)
    }
  }

  /** Until so many windows were dropped since the start, and nothing is under way. */
  async dropped(windows: number): Promise<void> {
    const { machine } = this
    await machine.until(() => machine.store.facts().windowsDropped >= windows, 'windows are dropped')
    await machine.rest()
  }

  async restart(): Promise<void> {
    await this.machine.stop()
    await this.machine.start()
  }
}

t.test('T1 what replaces a flagged entry is flagged: an older version stays hidden by both', async (t) => {
  const life = await Life.begun('T1')
  await life.set(KEY, 'for ever')
  await life.flush()
  await life.set(KEY, 'two', 1500)
  await life.set(KEY, 'three', 1900)
  await life.flush()
  t.equal(await life.get(), 'three')
  await life.dropped(1)
  t.equal(await life.get(), null)
  t.ok(life.machine.store.facts().localTombstones > 0)
  await life.restart()
  t.equal(await life.get(), null)
})

t.test('T1 a shorter EXPIRE hides the longer one, and what never dies ends the inheritance', async (t) => {
  const life = await Life.begun('T1 longer')
  await life.set(KEY, 'long', 18_000)
  await life.flush()
  await life.set(KEY, 'short', 1500)
  await life.set('persisted', 'short', 1500)
  await life.set('persisted', 'for ever')
  await life.flush()
  await life.dropped(1)
  t.equal(await life.get(), null)
  t.equal(await life.get('persisted'), 'for ever')
})

t.test('T2 a local tombstone hides what is older, and nothing that was written since', async (t) => {
  const life = await Life.begun('T2')
  for (const key of [KEY, 'again', 'again in memory']) await life.set(key, 'for ever')
  await life.flush()
  for (const key of [KEY, 'again', 'again in memory']) await life.set(key, 'dies', 1900)
  await life.flush()
  await life.set('again', 'after')
  await life.flush()
  await life.set('again in memory', 'after')
  await life.dropped(1)
  const shown = async (): Promise<unknown> => [
    await life.get(),
    await life.get('again'),
    await life.get('again in memory'),
    (await life.machine.scan(7)).has(KEY),
    life.machine.keyspace.count(),
  ]
  const expected = [null, 'after', 'after', false, 22]
  t.same(await shown(), expected)
  await life.flush()
  await life.machine.advance(5000)
  t.same(await shown(), expected, 'over compactions')
  await life.restart()
  t.same(await shown(), expected, 'over a restart')
})

t.test('T2 nobody but compaction sees a local tombstone: it is never sent, counted or hashed', async (t) => {
  const life = await Life.begun('T2 unseen', { keepsTrees: true })
  const { machine } = life
  await life.set(KEY, 'for ever')
  await life.flush()
  await life.set(KEY, 'dies', 1900)
  await life.flush()
  await life.dropped(1)
  t.ok(machine.store.facts().localTombstones > 0)
  await life.restart()
  await machine.until(() => machine.store.trees?.isReady(0) === true, 'trees are counted')
  const visited: string[] = []
  await life.get()
  const limits = { visits: 1000, entries: 1000 }
  const end = machine.store.walk(
    0,
    limits,
    (bytes, record) => visited.push(keyOf(bytes, record)) > 0,
    (table, block) => table.loadSync(block),
  )
  t.notOk(visited.includes(KEY) && end !== -1)
  const hash = new KeyHash()
  const bytes = Buffer.from(KEY)
  hash.of(bytes, 0, bytes.length)
  const entry = new EntryRef()
  await life.get()
  t.equal(machine.store.find(hash, bytes, 0, bytes.length, entry), ABSENT)
  const keys = machine.store.trees?.hoursOf(0).map((endMs) => endMs) ?? []
  t.same(keys, [NEVER_DIES], 'no hour of death has a key')
})

t.test('T3 the log is synced before the edit that drops a window', async (t) => {
  const life = await Life.begun('T3', { appendfsync: 'no' })
  await life.set(KEY, 'dies', 1900)
  await life.flush()
  await life.set('unsynced', 'must stay')
  await life.dropped(1)
  life.machine.crash('lose-all')
  await life.machine.start()
  t.equal(await life.get('unsynced'), 'must stay')
})

t.test('T4 a deletion stays in the levels while a window may hold what it hides', async (t) => {
  const life = await Life.begun('T4')
  await life.set(KEY, 'lives long', 100_000)
  await life.flush()
  await life.delete(KEY)
  await life.flush()
  for (let round = 0; round < 6; round++) {
    await life.machine.advance(3000)
    await life.flush()
    t.equal(await life.get(), null, `round ${round}`)
  }
  t.ok(life.machine.store.facts().compactions > 0)
})

/** v1 lies in a wide window that has not ended, v2, which dies later, in a narrow one that was dropped. */
async function narrowOverWide(t: Test, name: string): Promise<Life> {
  const life = await Life.begun(name)
  const { machine } = life
  await life.set(KEY, 'one', 25_000)
  await life.flush()
  await machine.advance(START_MS + 24_500 - machine.nowMs)
  await life.set(KEY, 'two', 1200)
  await life.flush()
  t.equal(machine.store.facts().windows.length, 2)
  await life.dropped(1)
  t.equal(machine.store.facts().localTombstones, 0, 'it hid only what died earlier')
  return life
}

t.test('T5 a clock that is set back shows nothing that a dropped window hid', async (t) => {
  const life = await narrowOverWide(t, 'T5')
  const { machine } = life
  machine.env.clock.jumpWall(START_MS + 24_600 - machine.env.clock.wallMs())
  t.equal(await life.get(), null)
  await life.restart()
  t.equal(await life.get(), null)
})

t.test(
  'T5 a clock that jumps ahead drops nothing until the grace has run on the monotonic one',
  async (t) => {
    const life = await Life.begun('T5 ahead', { clockGraceMs: 60_000 })
    const { machine } = life
    await life.set(KEY, 'dies', 50_000)
    await life.flush()
    machine.env.clock.jumpWall(100_000)
    await machine.advance(30_000)
    t.equal(machine.store.facts().windowsDropped, 0)
    machine.env.clock.jumpWall(-100_000)
    t.equal(await life.get(), 'dies', 'the clock was wrong, and nothing is lost')
    machine.env.clock.jumpWall(100_000)
    await machine.advance(62_000)
    t.ok(machine.store.facts().windowsDropped > 0, 'it was right')
  },
)

t.test('T6 the newest is the highest sequence, whether it lies in a window or in the levels', async (t) => {
  const life = await Life.begun('T6')
  await life.set('first a window', 'old', 100_000)
  await life.set('first a level', 'old')
  await life.flush()
  await life.set('first a window', 'new')
  await life.set('first a level', 'new', 100_000)
  await life.flush()
  for (let round = 0; round < 5; round++) {
    // The window's table becomes younger than the level's, as a whole.
    await life.set(`other ${round}`, 'in the window', 99_000)
    await life.flush()
    t.equal(await life.get('first a window'), 'new')
    t.equal(await life.get('first a level'), 'new')
  }
})

t.test('T7 a record that came when it was dead already hides the living one that it replaces', async (t) => {
  const life = await Life.begun('T7')
  const { machine } = life
  await life.set(KEY, 'for ever')
  await life.flush()
  await machine.get(KEY)
  const merger = new RecordMerger(machine.store, machine.env.clock, {
    policyOf: () => 'lww',
    horizonOf: () => 0,
    witness: () => {},
    onCorruptDots: () => {},
  })
  const dot = { actor: 7, hlc: wallMsToHlc(machine.nowMs + 10) }
  const sibling = valueSibling(dot, Buffer.from('late'), machine.nowMs - 10)
  const late = encodeRecord({ key: Buffer.from(KEY), siblings: [sibling], context: [dot] })
  t.ok(merger.merge(late, 0, late.length) > 0)
  t.equal(await life.get(), null)
  await life.flush()
  await life.dropped(1)
  t.equal(await life.get(), null)
})

t.test('what a window holds can be seen: bytes, records, flagged entries, and why it is there', async (t) => {
  const life = await Life.begun('seen')
  await life.set(KEY, 'for ever')
  await life.set(KEY, 'dies', 50_000)
  await life.set('unflagged', 'dies', 50_000)
  await life.flush()
  const [window, ...others] = life.machine.store.facts().windows
  t.same(others, [])
  t.match(window, { tables: 1, records: 2, flagged: 1, hold: 'open', endMs: START_MS + 59_000 })
  t.ok(window.bytes > 0)
})

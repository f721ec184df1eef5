/** What every implementation of HandoffStore promises. */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { NodeDisk } from '../../src/env/node-disk.js'
import { HINT, keyOf } from '../../src/repair/handoff-entry.js'
import type { HandoffStore, HandoffWrite } from '../../src/repair/handoff-store.js'
import { LmdbHandoffStore } from '../../src/repair/lmdb-handoff-store.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import { SimHandoffMedium } from '../../src/sim/sim-handoff-store.js'
import { SimLog } from '../../src/sim/sim-log.js'

interface Machine {
  open(): HandoffStore
  /** Waits while time goes on. */
  wait<T>(promise: Promise<T>): Promise<T>
  end(): void
}

function lmdbMachine(): Machine {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-handoffs-'))
  return {
    open: () => LmdbHandoffStore.open(directory, new NodeDisk(), new SimLog()),
    wait: (promise) => promise,
    end: () => rmSync(directory, { recursive: true }),
  }
}

function simMachine(): Machine {
  const env = SimEnv.fromSeed('handoffs')
  const medium = new SimHandoffMedium()
  return {
    open: () => medium.open(env.clock),
    wait: async (promise) => {
      env.queue.advanceSync(100)
      return promise
    },
    end: () => {},
  }
}

const implementations: Readonly<Record<string, () => Machine>> = {
  LmdbHandoffStore: lmdbMachine,
  SimHandoffStore: simMachine,
}

const key = (text: string): Buffer => Buffer.from(text)
const FROM = key('a')
const END = key('z')

function put(name: string, value: string | Buffer): HandoffWrite {
  return { key: key(name), value: Buffer.from(value) }
}

for (const [name, make] of Object.entries(implementations)) {
  const onMachine = async (run: (machine: Machine) => Promise<void>): Promise<void> => {
    const machine = make()
    try {
      await run(machine)
    } finally {
      machine.end()
    }
  }
  const apply = (machine: Machine, store: HandoffStore, ...writes: HandoffWrite[]): Promise<Error | null> =>
    machine.wait(new Promise((resolve) => store.apply(writes, resolve)))
  const all = (store: HandoffStore): string[] =>
    store.scan(FROM, END, 1000, 2 ** 30).map((entry) => `${entry.key.toString()}=${entry.value.toString()}`)

  t.test(`${name}: what was written is read in the order of keys`, (t) =>
    onMachine(async (machine) => {
      const store = machine.open()
      t.equal(await apply(machine, store, put('c', '3'), put('a', '1'), put('b', '2'), put('z', '9')), null)
      t.same(all(store), ['a=1', 'b=2', 'c=3'], 'the end is left out')
      t.same(
        store.scan(key('b'), END, 1000, 2 ** 30).map((entry) => entry.key.toString()),
        ['b', 'c'],
        'the beginning is not',
      )
      await store.close()
    }),
  )

  t.test(`${name}: how large a value is, and whether there is one, is known without reading it`, (t) =>
    onMachine(async (machine) => {
      const store = machine.open()
      await apply(machine, store, put('a', 'four'), put('b', ''), put('c', Buffer.alloc(100_000)))
      t.same(
        ['a', 'b', 'c', 'd'].map((one) => store.valueBytes(key(one))),
        [4, 0, 100_000, -1],
      )
      await store.close()
    }),
  )

  t.test(`${name}: a scan stops at a number of entries, or of bytes`, (t) =>
    onMachine(async (machine) => {
      const store = machine.open()
      await apply(machine, store, ...['a', 'b', 'c', 'd'].map((one) => put(one, Buffer.alloc(100))))
      t.equal(store.scan(FROM, END, 3, 2 ** 30).length, 3)
      t.equal(store.scan(FROM, END, 1000, 150).length, 2, 'the one that passes it is there')
      t.equal(store.scan(FROM, END, 1000, 1).length, 1, 'there is always one')
      await store.close()
    }),
  )

  t.test(`${name}: writes take effect in the order of their calls`, (t) =>
    onMachine(async (machine) => {
      const store = machine.open()
      const calls = [[put('a', '1'), put('b', '1')], [{ key: key('a'), value: null }], [put('b', '2')]]
      await machine.wait(
        Promise.all(
          calls.map((writes) => new Promise<Error | null>((resolve) => store.apply(writes, resolve))),
        ),
      )
      t.same(all(store), ['b=2'])
      t.equal(await apply(machine, store, { key: key('never'), value: null }), null, 'absent ones may go')
      await store.close()
    }),
  )

  t.test(`${name}: what was acknowledged is there at the next opening`, (t) =>
    onMachine(async (machine) => {
      const first = machine.open()
      const large = Buffer.alloc(3_000_000, 7)
      t.equal(await apply(machine, first, put('a', '1'), put('large', large)), null)
      await machine.wait(first.close())
      const second = machine.open()
      t.equal(second.scan(key('large'), END, 1, 1)[0].value.equals(large), true)
      t.equal(all(second)[0], 'a=1')
      await machine.wait(second.close())
    }),
  )

  t.test(`${name}: done is never called before apply has returned`, (t) =>
    onMachine(async (machine) => {
      const store = machine.open()
      let returned = false
      const sawReturn = new Promise<boolean>((resolve) => store.apply([], () => resolve(returned)))
      returned = true
      t.equal(await machine.wait(sawReturn), true)
      await store.close()
    }),
  )

  t.test(`${name}: what a scan gave stays as it is`, (t) =>
    onMachine(async (machine) => {
      const store = machine.open()
      await apply(machine, store, put('a', 'first'))
      const [entry] = store.scan(FROM, END, 1, 1000)
      await apply(machine, store, put('a', 'other'))
      store.scan(FROM, END, 10, 1000)
      t.equal(entry.value.toString(), 'first')
      await store.close()
    }),
  )
}

t.test('SimHandoffStore: a crash takes what was not flushed, and nothing else', async (t) => {
  const env = SimEnv.fromSeed('handoff crash')
  const medium = new SimHandoffMedium()
  const store = medium.open(env.clock)
  let acknowledged = 0
  store.apply([put('a', '1')], () => acknowledged++)
  env.queue.advanceSync(10)
  store.apply([put('b', '2')], () => acknowledged++)
  env.queue.advanceSync(2)
  t.equal(medium.count, 2, 'the second is visible')
  medium.crash()
  env.clock.stop()
  env.queue.advanceSync(10)
  t.equal(acknowledged, 1)
  t.equal(medium.count, 1)
  medium.wipe()
  t.equal(medium.count, 0)
})

t.test('SimHandoffStore: a disk that fails or is full says so', async (t) => {
  const env = SimEnv.fromSeed('handoff errors')
  const medium = new SimHandoffMedium()
  const store = medium.open(env.clock)
  const errors: (string | undefined)[] = []
  const done = (error: NodeJS.ErrnoException | null): void => void errors.push(error?.code)
  for (const code of ['ENOSPC', 'EIO', null]) {
    medium.failsWith = code
    store.apply([put('a', '1')], done)
    env.queue.advanceSync(10)
  }
  t.same(errors, ['ENOSPC', 'EIO', undefined])
  t.equal(medium.durableCount, 1)
})

t.test('LmdbHandoffStore: nobody but the owner may read what is held', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-handoffs-'))
  const store = LmdbHandoffStore.open(directory, new NodeDisk(), new SimLog())
  await store.close()
  const modes = readdirSync(directory).map((name) => statSync(join(directory, name)).mode & 0o777)
  t.ok(modes.length >= 2)
  t.same(new Set(modes), new Set([0o600]))
  rmSync(directory, { recursive: true })
})

t.test('LmdbHandoffStore: a file that cannot be opened is moved aside, and that is said', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-handoffs-'))
  try {
    writeFileSync(`${directory}/handoffs.lmdb`, Buffer.alloc(16_384, 'damaged '))
    const log = new SimLog()
    const store = LmdbHandoffStore.open(directory, new NodeDisk(), log)
    t.equal(log.of('hints and fallback copies cannot be read and are lost').length, 1)
    t.equal(await new Promise((resolve) => store.apply([put('a', '1')], resolve)), null)
    await store.close()
    t.match(readFileSync(`${directory}/handoffs.lmdb.damaged`).toString('latin1', 0, 8), 'damaged ')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

t.test('LmdbHandoffStore: a file that ends starts is moved aside at the third, not before', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-handoffs-'))
  try {
    const store = LmdbHandoffStore.open(directory, new NodeDisk(), new SimLog())
    const target = Buffer.alloc(20, 'member')
    const writes = Array.from({ length: 1000 }, (_, i) => {
      return { key: keyOf(HINT, target, i, i), value: Buffer.alloc(500, 'x') }
    })
    t.equal(await new Promise((resolve) => store.apply(writes, resolve)), null)
    await store.close()
    const path = `${directory}/handoffs.lmdb`
    const whole = readFileSync(path)
    writeFileSync(`${directory}/handoffs.starts`, Buffer.alloc(2))
    t.match(readHandoffs(directory), { status: 0, stdout: '0' }, 'two were ended by something else')
    t.match(readHandoffs(directory), { status: 0, stdout: '0' })
    t.notOk(existsSync(`${directory}/handoffs.starts`))

    truncateSync(path, Math.floor(whole.length / 8192) * 4096)
    for (let start = 1; start <= 3; start++) {
      t.equal(readHandoffs(directory).signal, 'SIGBUS')
      t.equal(statSync(`${directory}/handoffs.starts`).size, start)
    }
    t.match(readHandoffs(directory), { status: 0, stdout: '1' }, 'said once')
    t.ok(existsSync(`${path}.damaged`))
    t.match(readHandoffs(directory), { status: 0, stdout: '0' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})

function readHandoffs(directory: string): { status: number | null; signal: string | null; stdout: string } {
  const program = fileURLToPath(new URL('../support/read-handoffs.js', import.meta.url))
  return spawnSync(process.execPath, [program, directory], { encoding: 'utf8' })
}

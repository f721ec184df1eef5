/**
 * Damaged files of a store whose data others hold, too: the file is taken out, and what it may have held becomes a gap, about which
 * nothing is said. Everything else is there, as it was.
 */
import t from 'tap'
import { MachineOff } from '../../src/sim/disk/disk-error.js'
import type { SimEnv } from '../../src/sim/sim-env.js'
import { SimRandom } from '../../src/sim/sim-random.js'
import { SLOT_COUNT } from '../../src/ring/slot.js'
import { KeyHash } from '../../src/ring/token.js'
import { CorruptionError } from '../../src/storage/corruption-error.js'
import { logFileName } from '../../src/storage/file-names.js'
import type { Gap } from '../../src/storage/gap.js'
import { Manifest } from '../../src/storage/manifest.js'
import { quarantined } from '../../src/storage/quarantine.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { openTableFile } from '../../src/storage/table/table-file.js'
import type { History } from './storage-history.js'
import { life, put } from './storage-life.js'
import { DIRECTORY, StorageMachine, TINY } from './storage-machine.js'

const REPLICATED: StoreOptions = { ...TINY, onDamage: 'quarantine', keepsDead: true }

function tokenOf(key: string): number {
  const bytes = Buffer.from(key)
  const hash = new KeyHash()
  hash.of(bytes, 0, bytes.length)
  return hash.token
}

function isIn(gaps: readonly Gap[], key: string): boolean {
  const token = tokenOf(key)
  return gaps.some(({ minToken, maxToken }) => minToken <= token && token <= maxToken)
}

/** Asks for every key; what lies in no gap must be right, what is damaged is said and becomes one. Answers how many are known. */
async function readAll(machine: StorageMachine, history: History): Promise<number> {
  let known = 0
  for (const key of history.keys) {
    const expected = history.at(key, machine.nowMs)
    let shown
    try {
      shown = await machine.get(key)
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      if (!isIn(machine.store.gaps, key)) throw new Error(`${key} is damaged and in no gap`)
      continue
    }
    if (isIn(machine.store.gaps, key)) continue
    if (shown?.value !== expected?.value) throw new Error(`${key} shows ${shown?.value}`)
    known++
  }
  return known
}

/** Lets what is due be taken out. */
async function settled(machine: StorageMachine): Promise<void> {
  await machine.advance(1)
  await machine.rest()
}

function sizeOf(env: SimEnv, path: string): number {
  const file = env.disk.open(path, 'read')
  try {
    return env.disk.sizeBytes(file)
  } finally {
    env.disk.close(file)
  }
}

function bytesOf(env: SimEnv, path: string): Buffer {
  const bytes = Buffer.alloc(sizeOf(env, path))
  const file = env.disk.open(path, 'read')
  env.disk.readSync(file, bytes, 0, bytes.length, 0)
  env.disk.close(file)
  return bytes
}

t.test(
  'T8 W1 V6 a flipped bit anywhere leaves a gap and nothing wrong: never a wrong answer, never a lost file',
  async (t) => {
    const FLIPS = 300
    const outcomes = new Map<string, number>()
    for (const isClean of [true, false]) {
      const { env, history } = await life(isClean)
      const names = env.disk.list(DIRECTORY)
      for (let flip = 0; flip < FLIPS; flip++) {
        const random = new SimRandom(`flip ${flip}`)
        const twin = env.reboot('keep-all')
        const name = random.pick(names)
        const path = `${DIRECTORY}/${name}`
        const offset = random.below(sizeOf(twin, path))
        twin.disk.flipBit(path, offset, random.below(8))
        const damaged = bytesOf(twin, path)
        try {
          const outcome = await lifeGoesOn(new StorageMachine(twin, REPLICATED), history, name, damaged)
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        } catch (error) {
          t.fail(`flip ${flip}, clean ${isClean}, byte ${offset} of ${path}: ${String(error)}`)
        }
      }
    }
    t.comment(JSON.stringify([...outcomes]))
    for (const outcome of ['refused', 'cut', 'whole gap', 'small gap', 'harmless'])
      t.ok(outcomes.get(outcome), outcome)
  },
)

async function lifeGoesOn(
  machine: StorageMachine,
  history: History,
  name: string,
  damaged: Buffer,
): Promise<string> {
  try {
    await machine.start()
  } catch (error) {
    if (error instanceof CorruptionError && name === 'MANIFEST') return 'refused'
    throw error
  }
  // The end of a log may go without anybody's knowing, as ever.
  const isCut = machine.store.loaded.sequence < history.sequence && machine.store.loaded.cutBytes > 0
  if (isCut && machine.store.gaps.length === 0) return 'cut'
  if (machine.store.loaded.sequence < history.sequence) throw new Error('sequences may be given out twice')
  await readAll(machine, history)
  await settled(machine)
  await readAll(machine, history)
  const { gaps } = machine.store
  if (gaps.length === 0) return 'harmless'
  const kept = quarantined(machine.env.disk, DIRECTORY)
  if (!kept.includes(name)) throw new Error(`${name} is not in quarantine, but ${kept.join()}`)
  if (!bytesOf(machine.env, `${DIRECTORY}/quarantine/${name}`).equals(damaged))
    throw new Error('it has changed')
  await machine.stop()
  await machine.start()
  if (JSON.stringify(machine.store.gaps) !== JSON.stringify(gaps)) throw new Error('a start forgets gaps')
  await readAll(machine, history)
  for (const gap of machine.store.gaps) await machine.ended(machine.store.closeGap(gap), 'it is closed')
  await machine.stop()
  if (Manifest.load(machine.env.disk, DIRECTORY)?.gaps.length !== 0) throw new Error('gaps stay')
  return gaps.every(({ minToken, maxToken }) => maxToken - minToken < 2 ** 50) ? 'small gap' : 'whole gap'
}

/** A store at rest, one bit of which is flipped in a block of a table while it runs. */
async function flipped(
  seed: string,
  options: StoreOptions,
): Promise<{ machine: StorageMachine; path: string }> {
  const machine = StorageMachine.fromSeed(seed, options)
  await machine.start()
  for (let i = 0; i < 200; i++) {
    await put(machine, `key ${i}`, `${i} `.repeat(40))
    if (i % 5 === 0) await machine.advance(1)
  }
  await machine.settle()
  await machine.rest()
  // The cache must not have what is damaged on disk.
  await machine.stop()
  await machine.start()
  await machine.rest()
  const { disk } = machine.env
  const name = disk
    .list(DIRECTORY)
    .sort()
    .find((one) => one.endsWith('.table'))
  const path = `${DIRECTORY}/${name}`
  const { file, index } = openTableFile(disk, path)
  disk.close(file)
  disk.flipBit(path, index.offset(1) + 100, 3)
  return { machine, path }
}

t.test('a scrub finds damage that nobody has asked for', async (t) => {
  const scrub = { bytesPerSecond: 100_000, intervalMs: 60_000 }
  for (const onDamage of ['refuse', 'quarantine'] as const) {
    const { machine, path } = await flipped('scrub', { ...REPLICATED, onDamage, scrub })
    await machine.advance(59_000)
    t.match(machine.store.facts(), { damage: { damageFound: 0 }, scrub: { isRunning: false, endedAtMs: 0 } })
    await machine.until(() => machine.store.facts().scrub.isRunning, 'a scrub begins')
    await machine.until(() => !machine.store.facts().scrub.isRunning, 'it ends')
    await settled(machine)
    const { damage, scrub: facts } = machine.store.facts()
    t.match(damage, { damageFound: 1, gaps: onDamage === 'refuse' ? 0 : 1 })
    t.match(damage.lastDamage, path)
    t.equal(facts.found, 1)
    t.ok(facts.doneBytes > 0 && facts.doneBytes <= facts.totalBytes)
    t.equal(machine.env.disk.exists(path), onDamage === 'refuse')
    t.equal(machine.gaps.length, onDamage === 'refuse' ? 0 : 1)
    t.ok(facts.endedAtMs > 0)
    await machine.advance(130_000)
    t.ok(machine.store.facts().scrub.endedAtMs > facts.endedAtMs, 'and it begins anew')
    t.equal(machine.store.facts().scrub.found, onDamage === 'refuse' ? 1 : 0)
    await machine.stop()
    t.equal(machine.env.disk.openFiles, 0)
  }
})

t.test('a scrub says which saved counts are damaged', async (t) => {
  const scrub = { bytesPerSecond: 1_000_000, intervalMs: 1000 }
  const { machine } = await flipped('counts', { ...TINY, scrub })
  const { disk } = machine.env
  const name = disk.list(DIRECTORY).find((one) => one.endsWith('.counts'))
  disk.flipBit(`${DIRECTORY}/${name}`, 9, 1)
  await machine.advance(5000)
  t.ok(machine.env.log.of('damage found').some(({ facts }) => facts['file'] === `${DIRECTORY}/${name}`))
  await machine.stop()
})

t.test('a block that the disk does not give is as good as damaged where others have it', async (t) => {
  for (const onDamage of ['refuse', 'quarantine'] as const) {
    const { machine, path } = await flipped('EIO', { ...REPLICATED, onDamage })
    const { disk } = machine.env
    disk.failReads(path, 0, 1 << 20)
    let failed = 0
    for (let i = 0; i < 200; i++) {
      try {
        if (isIn(machine.store.gaps, `key ${i}`)) continue
        t.equal((await machine.get(`key ${i}`))?.value, `${i} `.repeat(40))
      } catch (error) {
        if (!(error instanceof CorruptionError) && onDamage === 'quarantine') throw error
        failed++
      }
    }
    t.ok(failed > 0)
    await settled(machine)
    t.equal(machine.store.gaps.length > 0, onDamage === 'quarantine')
    await machine.stop()
  }
})

t.test('scrub-rate is kept to', async (t) => {
  const scrub = { bytesPerSecond: 1000, intervalMs: 1000 }
  const { machine } = await flipped('rate', { ...REPLICATED, scrub })
  await machine.advance(20_000)
  const { doneBytes } = machine.store.facts().scrub
  t.ok(doneBytes > 1000 && doneBytes < 300_000, `${doneBytes} bytes`)
  machine.store.setScrub({ ...scrub, bytesPerSecond: 0 })
  await machine.advance(400_000)
  const stopped = machine.store.facts().scrub
  await machine.advance(400_000)
  t.same(machine.store.facts().scrub, stopped, '0 is off')
  machine.store.setScrub({ ...scrub, bytesPerSecond: 1_000_000 })
  await machine.advance(3000)
  t.ok(machine.store.facts().scrub.endedAtMs > 0, 'and it goes on where it was')
  await machine.stop()
})

t.test(
  'the only copy: what is damaged is an error, everything else is served, nothing is moved',
  async (t) => {
    const { machine, path } = await flipped('only copy', TINY)
    let failed = 0
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 200; i++) {
        try {
          t.equal((await machine.get(`key ${i}`))?.value, `${i} `.repeat(40))
        } catch (error) {
          if (!(error instanceof CorruptionError)) throw error
          failed++
        }
      }
    }
    t.ok(failed > 0 && failed < 100, `${failed} reads fail`)
    t.match(machine.store.facts().damage, { damageFound: 1, gaps: 0 })
    t.equal(machine.env.disk.exists(path), true)
    await machine.stop()
  },
)

t.test(
  'T8 P2 a floor that rises has the trees counted anew: they would say that nothing is missing',
  async (t) => {
    const { machine } = await flipped('trees', { ...REPLICATED, keepsTrees: true })
    await machine.until(() => machine.store.trees?.isReady(0) === true, 'trees are counted')
    const before = { low: 0, high: 0 }
    machine.store.trees?.rootAbove(0, 0, before)
    await askForAll(machine)
    const [gap] = machine.gaps
    machine.store.raiseFloor({ firstSlot: 0, lastSlot: SLOT_COUNT - 1 }, gap.floorSequence)
    t.equal(machine.store.trees?.isReady(0), false)
    await machine.until(() => machine.store.trees?.isReady(0) === true, 'they are counted again')
    const after = { low: 0, high: 0 }
    machine.store.trees?.rootAbove(0, 0, after)
    t.not(JSON.stringify(after), JSON.stringify(before))
    await machine.stop()
  },
)

t.test('T8 power may go at any moment while a damaged table is taken out', async (t) => {
  const { machine, path } = await flipped('power', REPLICATED)
  const name = path.slice(DIRECTORY.length + 1)
  machine.crash('keep-all')
  const { env } = machine
  const before = new StorageMachine(env.reboot('keep-all'), REPLICATED)
  await before.start()
  const from = before.env.disk.operations
  await askForAll(before)
  await settled(before)
  const operations = before.env.disk.operations - from
  t.ok(operations > 20)
  let moved = 0
  for (let nth = 1; nth <= operations; nth++) {
    const twin = new StorageMachine(env.reboot('keep-all'), REPLICATED)
    await twin.start()
    twin.env.disk.powerOffAt(nth)
    try {
      await askForAll(twin)
      await settled(twin)
    } catch (error) {
      if (!(error instanceof MachineOff)) throw error
    }
    twin.crash('random', new SimRandom(nth))
    await twin.start()
    const { disk } = twin.env
    const isMoved = quarantined(disk, DIRECTORY).includes(name)
    if (isMoved) moved++
    if (isMoved === disk.exists(path))
      t.fail(`operation ${nth}: the file is there ${isMoved ? 'twice' : 'no more'}`)
    if (isMoved && twin.store.gaps.length === 0) t.fail(`operation ${nth}: the gap is forgotten`)
    await askForAll(twin)
  }
  t.ok(moved > 0 && moved < operations)
})

t.test('W1 power may go at any moment while a damaged log is cut off', async (t) => {
  const { env, history } = await life(true)
  const { logs } = Manifest.load(env.disk, DIRECTORY) ?? { logs: [] }
  const name = logFileName(logs.at(-1) ?? 0)
  const path = `${DIRECTORY}/${name}`
  env.disk.flipBit(path, 600, 2)
  const damaged = bytesOf(env, path)
  const before = new StorageMachine(env.reboot('keep-all'), REPLICATED)
  const from = before.env.disk.operations
  await before.start()
  const operations = before.env.disk.operations - from
  t.equal(before.store.gaps.length, 1)
  let cut = 0
  for (let nth = 1; nth <= operations; nth++) {
    const twin = new StorageMachine(env.reboot('keep-all'), REPLICATED)
    twin.env.disk.powerOffAt(nth)
    try {
      await twin.start()
    } catch (error) {
      if (!(error instanceof MachineOff)) throw error
    }
    twin.crash('random', new SimRandom(nth))
    if (!twin.env.disk.exists(path) || !bytesOf(twin.env, path).equals(damaged)) cut++
    await twin.start()
    if (twin.store.gaps.length === 0) t.fail(`operation ${nth}: the gap is forgotten`)
    if (twin.store.loaded.sequence < history.sequence)
      t.fail(`operation ${nth}: sequences are given out twice`)
    const kept = `${DIRECTORY}/quarantine/${name}`
    if (!bytesOf(twin.env, kept).equals(damaged))
      t.fail(`operation ${nth}: what is in quarantine is something else`)
  }
  t.ok(cut > 0 && cut < operations, `${cut} of ${operations} crashes found the log cut`)
})

async function askForAll(machine: StorageMachine): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      const shown = await machine.get(`key ${i}`)
      if (isIn(machine.store.gaps, `key ${i}`)) continue
      if (shown?.value !== `${i} `.repeat(40)) throw new Error(`key ${i} shows ${shown?.value}`)
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
    }
  }
}

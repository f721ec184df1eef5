import t from 'tap'
import { MachineOff } from '../../../../src/sim/disk/disk-error.js'
import type { CrashMode } from '../../../../src/sim/disk/sim-file.js'
import { SimRandom } from '../../../../src/sim/sim-random.js'
import type { StorageJobs } from '../../../../src/storage/jobs/storage-jobs.js'
import type { StoreFacts } from '../../../../src/storage/store.js'
import { overriding } from '../../../sim/overriding-jobs.js'
import { DIRECTORY } from '../../../sim/storage-machine.js'
import { encoded, MergerProbe, value, deletion } from '../../coordinator/records.js'
import { TreeLife, WITH_TREES } from './tree-life.js'
import { keptTrees, partitionsFrom, treeDifference, walkedTrees } from './tree-model.js'
import type { TreeTexts } from './tree-model.js'

const HOUR_MS = 3600_000
const LIVES = 3
const STARTS = 6
const STEPS = 120
const CRASH_MODES: readonly CrashMode[] = ['lose-all', 'keep-all', 'random']

/** Cuts the power in the middle of whatever the steps lead to; answers whether it came to that. */
async function crashWithin(life: TreeLife, steps: number, operations: number): Promise<boolean> {
  const { machine } = life
  machine.env.disk.powerOffAt(operations)
  try {
    await life.live(steps)
    return false
  } catch (error) {
    if (!(error instanceof MachineOff) && !machine.isOff) throw error
    return true
  }
}

t.test('the trees of a life with stops and crashes are those that a walk over the store finds', async (t) => {
  let crashes = 0
  let rebuilt = 0
  for (let seed = 0; seed < LIVES; seed++) {
    const life = new TreeLife(seed)
    const { machine, random } = life
    machine.jobMsMax = random.pick([0, 3, 30])
    for (let start = 0; start < STARTS; start++) {
      await machine.start()
      if (random.chance(2)) await life.live(20)
      await life.ready()
      rebuilt += machine.store.treeFacts?.rebuiltRanges ?? 0
      const difference = await life.difference()
      if (difference !== null) return void t.fail(`seed ${seed} start ${start}: ${difference}`)
      if (await crashWithin(life, STEPS, 1 + random.below(900))) {
        crashes++
        machine.crash(random.pick(CRASH_MODES), new SimRandom(seed))
      } else {
        machine.env.disk.clearFaults()
        await machine.stop()
      }
    }
  }
  t.ok(crashes >= LIVES, `${crashes} crashes`)
  t.ok(rebuilt > 0, `${rebuilt} ranges were counted from nothing`)
})

/** A life without flush marks, which may have everything counted anew. */
function quietLife(seed: number): TreeLife {
  const life = new TreeLife(seed)
  life.flushes = false
  return life
}

/** Jobs whose counts wait until open() is called. */
function held(): { wrap(jobs: StorageJobs): StorageJobs; open(): void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  const wrap = (jobs: StorageJobs): StorageJobs =>
    overriding(jobs, { countTrees: (job) => opened.then(() => jobs.countTrees(job)) })
  return { wrap, open: () => open() }
}

/** Reasons for which trees were counted anew, since the machine came up. */
function reasons({ machine }: TreeLife): unknown[] {
  return machine.env.log.of('trees are counted anew').map(({ facts }) => facts['reason'])
}

t.test('while saved trees are brought up to date, writes, flushes and compactions go on', async (t) => {
  const life = quietLife(100)
  const { machine } = life
  await machine.start()
  await life.live(150)
  await machine.stop()
  const gate = held()
  machine.wrapJobs = gate.wrap
  await machine.start()
  await life.live(300)
  const { flushes, compactions } = machine.store.facts()
  t.ok(flushes > 3 && compactions > 3, `${flushes} flushes, ${compactions} compactions`)
  t.match(machine.store.treeFacts, { counting: true, readyRanges: 0 })
  gate.open()
  await life.ready()
  t.equal(await life.difference(), null)
  t.match(machine.store.treeFacts, { rebuiltRanges: 0, lastError: '' })
  await machine.rest()
  await machine.stop()
  await machine.until(() => machine.env.disk.openFiles === 0, 'replaced tables are closed at last')
})

t.test('trees are of no use once tables that they counted were merged with what came later', async (t) => {
  const life = quietLife(101)
  const { machine } = life
  await machine.start()
  await life.live(150)
  await machine.stop()
  machine.wrapJobs = held().wrap
  await machine.start()
  await life.live(300)
  machine.crash('lose-all')
  machine.wrapJobs = (jobs) => jobs
  await machine.start()
  await life.ready()
  t.equal(await life.difference(), null)
  t.same(reasons(life), ['none are saved'])
})

t.test('and also when the merge has left nothing of what they counted', async (t) => {
  const life = quietLife(104)
  const { machine } = life
  await machine.start()
  await life.live(150)
  await machine.stop()
  machine.wrapJobs = held().wrap
  await machine.start()
  for (let round = 0; round < 8; round++) {
    await life.writeAll()
    await machine.rest()
  }
  t.ok(machine.store.facts().compactions > 0)
  machine.crash('lose-all')
  machine.wrapJobs = (jobs) => jobs
  await machine.start()
  await life.ready()
  t.equal(await life.difference(), null)
})

t.test('trees that a start has brought up to date are saved at once', async (t) => {
  const life = quietLife(102)
  const { machine } = life
  await machine.start()
  await life.live(150)
  for (let start = 0; start < 5; start++) {
    await machine.stop()
    await machine.start()
    await life.ready()
    await machine.rest()
    t.equal(await life.difference(), null)
    t.equal(machine.store.treeFacts?.rebuiltRanges, 0, 'nothing was counted from nothing')
  }
})

t.test('a damaged, missing or foreign file of trees is as good as none', async (t) => {
  for (const harm of ['flipped', 'gone', 'foreign'] as const) {
    const life = quietLife(103)
    const { machine } = life
    await machine.start()
    await life.live(150)
    await machine.rest()
    await machine.stop()
    const { disk } = machine.env
    const file = disk.list(DIRECTORY).find((name) => name.endsWith('.trees'))
    if (file === undefined) return void t.fail('there is a file of trees')
    if (harm === 'flipped') disk.flipBit(`${DIRECTORY}/${file}`, 40, 3)
    else if (harm === 'gone') disk.unlink(`${DIRECTORY}/${file}`)
    else machine.options = { ...WITH_TREES, partitions: partitionsFrom('another ring', [0, 500, 16_000]) }
    await machine.start()
    await life.ready()
    t.equal(await life.difference(), null, harm)
    t.same(reasons(life), [harm === 'foreign' ? 'they are of another ring' : 'none are saved'])
    t.match(machine.store.treeFacts, { rebuiltRanges: life.trees.ranges.count })
    await machine.stop()
  }
})

t.test('a range is counted anew while writes go on, and the others stay ready', async (t) => {
  for (const recounts of [1, 2]) {
    for (let seed = 0; seed < 6; seed++) {
      const life = quietLife(seed)
      const { machine } = life
      const gate = held()
      machine.wrapJobs = gate.wrap
      await machine.start()
      await life.live(100)
      // The second comes while the first is being counted: what that counts belongs to trees that are gone.
      for (let i = 0; i < recounts; i++) {
        machine.store.recountTrees(1)
        await life.live(10)
      }
      t.same([life.trees.isReady(0), life.trees.isReady(1)], [true, false])
      await life.live(60)
      gate.open()
      await life.ready()
      t.equal(await life.difference(), null)
    }
  }
})

t.test('P4 a flush mark that comes while ranges are counted makes that void', async (t) => {
  const life = new TreeLife(105)
  const { machine } = life
  const gate = held()
  machine.wrapJobs = gate.wrap
  await machine.start()
  await life.live(100)
  for (let range = 0; range < life.trees.ranges.count; range++) machine.store.recountTrees(range)
  machine.keyspace.appendFlushMark(machine.keyspace.mintAbove(0))
  t.ok(life.isReady, 'nothing is left to count')
  await life.live(50)
  gate.open()
  await machine.rest()
  await life.ready()
  t.equal(await life.difference(), null)
})

t.test('P2 entries up to a floor count as absent once a range was counted above it', async (t) => {
  const life = quietLife(106)
  const { machine } = life
  await machine.start()
  await life.live(200)
  const floor = machine.store.sequence
  const wholeRing = { firstSlot: 0, lastSlot: 16_383 }
  await machine.rest()
  const { flushes } = machine.store.facts()
  machine.store.raiseFloor(wholeRing, floor)
  t.equal(life.trees.facts.readyRanges, 0)
  await life.ready()
  t.equal(keptTrees(life.trees).size, 0)
  const facts = (): StoreFacts => machine.store.facts()
  await machine.until(() => facts().flushes > flushes && facts().segments === 1, 'the trees are saved')
  await machine.stop()
  await machine.start()
  await life.ready()
  t.equal(keptTrees(life.trees).size, 0, 'the floors are saved with the trees')
  t.same([...life.trees.floors], new Array(life.trees.ranges.count).fill(floor))
  machine.store.raiseFloor(wholeRing, floor)
  t.ok(life.isReady, 'they are known already')
  await life.live(100)
  await machine.rest()
  t.equal(await life.difference(), null)
  await machine.stop()
  await machine.start()
  machine.store.raiseFloor(wholeRing, 0)
  await life.ready()
  t.equal(await life.difference(), null, 'a floor that nobody knows of is none')
})

t.test('R5 what lives below a floor is counted until the trees are, and never again', async (t) => {
  for (let seed = 0; seed < 2; seed++) {
    const life = quietLife(seed)
    const { machine } = life
    const gate = held()
    machine.wrapJobs = gate.wrap
    await machine.start()
    await life.live(150)
    const isCounted = async (what: string): Promise<void> => {
      const shown = await machine.scan(100)
      t.equal(machine.store.counts.total(machine.nowMs), shown.size, `${what}, seed ${seed}`)
    }
    await isCounted('all keys')
    const wholeRing = { firstSlot: 0, lastSlot: 16_383 }
    const floor = machine.store.sequence
    machine.store.raiseFloor(wholeRing, floor)
    t.equal((await machine.scan(100)).size, 0)
    t.ok(machine.store.counts.total(machine.nowMs) > 0)
    await life.live(60)
    gate.open()
    await life.ready()
    await isCounted('what came above the floor while it was counted')
    await life.live(60)
    await isCounted('and after')

    await machine.until(() => machine.store.facts().segments === 1, 'counts and trees are saved')
    await machine.stop()
    await machine.start()
    machine.store.raiseFloor(wholeRing, floor)
    await isCounted('after a start')
    await machine.stop()
    for (const name of machine.env.disk.list(DIRECTORY)) {
      if (name.endsWith('.counts')) machine.env.disk.unlink(`${DIRECTORY}/${name}`)
    }
    await machine.start()
    machine.store.raiseFloor(wholeRing, floor)
    await life.ready()
    await isCounted('when a start had to count what is in the tables')
    await machine.stop()
  }
})

t.test('damage ends a count, which is tried again until it succeeds', async (t) => {
  const life = new TreeLife(107)
  const { machine } = life
  await machine.start()
  await life.live(200)
  await machine.rest()
  const { disk } = machine.env
  const file = disk.list(DIRECTORY).find((name) => name.endsWith('.table'))
  if (file === undefined) return void t.fail('there is a table')
  disk.flipBit(`${DIRECTORY}/${file}`, 100, 1)
  for (let range = 0; range < life.trees.ranges.count; range++) machine.store.recountTrees(range)
  await machine.until(() => machine.store.treeFacts?.lastError !== '', 'the damage is met')
  t.match(machine.store.treeFacts?.lastError, /is damaged at byte/)
  t.equal(life.trees.facts.readyRanges, 0)
  disk.flipBit(`${DIRECTORY}/${file}`, 100, 1)
  await life.ready()
  t.equal(await life.difference(), null)
})

t.test('after a crash at any operation of a flush the trees are those of what there is', async (t) => {
  let crashes = 0
  for (let operation = 1; ; operation++) {
    const life = quietLife(108)
    const { machine } = life
    await machine.start()
    await life.live(60)
    await machine.rest()
    const { flushes } = machine.store.facts()
    machine.env.disk.powerOffAt(operation)
    try {
      while (machine.store.facts().flushes === flushes) await life.step()
    } catch (error) {
      if (!(error instanceof MachineOff) && !machine.isOff) throw error
    }
    if (!machine.isOff) break
    crashes++
    machine.crash(CRASH_MODES[operation % CRASH_MODES.length])
    await machine.start()
    await life.ready()
    const difference = await life.difference()
    if (difference !== null) return void t.fail(`operation ${operation}: ${difference}`)
    await machine.stop()
  }
  t.ok(crashes > 20, `${crashes} crashes`)
})

t.test('V9 stores that took in the same records in any order have the same trees', async (t) => {
  const hlc = 1_000_000 * 4096 * 1000
  const records: Buffer[] = []
  for (let i = 0; i < 300; i++) {
    const [key, actor] = [`key ${i % 50}`, 1 + (i % 4)]
    const expireAtMs = i % 3 === 0 ? 1_900_000_000_000 + i * 1_000_000 : 0
    const sibling = i % 7 === 0 ? deletion(actor, hlc + i) : value(actor, hlc + i, `${i}`, expireAtMs)
    records.push(
      encoded(key, [sibling], i % 5 === 0 ? [{ actor: 1 + ((i + 1) % 4), hlc: hlc + i - 60 }] : []),
    )
  }
  const trees = []
  for (const seed of [1, 2, 3]) {
    const life = new TreeLife(seed)
    const { machine, random } = life
    await machine.start()
    const probe = new MergerProbe(machine)
    const order = records.map((record) => ({ record, at: random.below(2 ** 30) }))
    for (const { record } of order.sort((a, b) => a.at - b.at)) {
      await machine.admission(2000)
      await probe.merge(record)
    }
    if (seed === 2) {
      await machine.stop()
      await machine.start()
      await life.ready()
    }
    // Everything that dies is dead by then, and compacted.
    await machine.advance(seed * 1000)
    await machine.rest()
    t.ok(machine.store.facts().tables > 0)
    trees.push(keptTrees(life.trees))
    t.equal(treeDifference(keptTrees(life.trees), await walkedTrees(machine, life.trees)), null)
  }
  t.equal(treeDifference(trees[0], trees[1]), null)
  t.equal(treeDifference(trees[0], trees[2]), null)
})

t.test('expiry and compaction change no tree', async (t) => {
  const life = new TreeLife(109)
  const { machine } = life
  await machine.start()
  await life.live(300)
  const before = keptTrees(life.trees)
  const { compactions } = machine.store.facts()
  machine.env.clock.jumpWall(6 * 3600_000)
  // Young garbage is not merged; what is written now makes it so, and is nowhere in the trees of before.
  await machine.advance(120_000)
  await machine.rest()
  t.equal(treeDifference(keptTrees(life.trees), before), null)
  t.equal(await life.difference(), null)
  t.ok(compactions > 0)
})

t.test('P1 what is purged leaves tables and trees by whole hours, over restarts too', async (t) => {
  const life = quietLife(110)
  const { machine } = life
  await machine.start()
  await life.live(300)
  const untilMs = Math.ceil(machine.nowMs / HOUR_MS) * HOUR_MS + HOUR_MS
  const ranges = [{ firstSlot: 0, lastSlot: 16_383, untilMs, floor: 0 }]
  machine.env.clock.jumpWall(2 * HOUR_MS)
  const above = (texts: TreeTexts): TreeTexts =>
    new Map([...texts].filter(([name]) => Number(name.split(' ')[1]) > untilMs))
  const whole = keptTrees(life.trees)
  t.ok(above(whole).size < whole.size && above(whole).size > 0)
  for (let start = 0; start < 2; start++) {
    machine.store.setPurgeRanges(ranges)
    t.equal(
      treeDifference(keptTrees(life.trees), above(keptTrees(life.trees))),
      null,
      'purged hours are gone',
    )
    await life.live(100)
    await machine.advance(100_000)
    await machine.rest()
    const walked = above(await walkedTrees(machine, life.trees))
    t.equal(treeDifference(keptTrees(life.trees), walked), null)
    await machine.stop()
    await machine.start()
    await life.ready()
  }
})

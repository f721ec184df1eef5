import t from 'tap'
import { MachineOff } from '../../../../src/sim/disk/disk-error.js'
import type { CrashMode } from '../../../../src/sim/disk/sim-file.js'
import { SimRandom } from '../../../../src/sim/sim-random.js'
import { TreeLife } from './tree-life.js'

const LIVES = 8
const STARTS = 6
const STEPS = 120
const CRASH_MODES: readonly CrashMode[] = ['lose-all', 'keep-all', 'random']

/** Cuts the power in the middle of whatever the steps lead to; answers whether it came to that. */
async function crashWithin(life: TreeLife, steps: number, operations: number): Promise<boolean> {
  const { machine } = life
  machine.env.disk.powerOffAt(operations)
  try {
    for (let step = 0; step < steps; step++) await life.step()
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
      if (random.chance(2)) for (let step = 0; step < 20; step++) await life.step()
      await life.ready()
      rebuilt += machine.store.treeFacts?.rebuiltRanges ?? 0
      const difference = await life.difference()
      if (difference !== null) return void t.fail(`seed ${seed} start ${start}: ${difference}`)
      if (await crashWithin(life, STEPS, 1 + random.below(1500))) {
        crashes++
        machine.crash(random.pick(CRASH_MODES), new SimRandom(seed))
      } else {
        machine.env.disk.clearFaults()
        await machine.stop()
      }
    }
  }
  t.ok(crashes > LIVES, `${crashes} crashes`)
  t.ok(rebuilt > 0, `${rebuilt} ranges were counted from nothing`)
})

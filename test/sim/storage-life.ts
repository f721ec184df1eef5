/** A life of a storage engine for tests of what may happen to its files afterwards. */
import type { SimEnv } from '../../src/sim/sim-env.js'
import { SimRandom } from '../../src/sim/sim-random.js'
import { History } from './storage-history.js'
import { StorageMachine } from './storage-machine.js'

export async function put(machine: StorageMachine, key: string, value: string): Promise<void> {
  const bytes = Buffer.from(key)
  await machine.admission(value.length + 600)
  await machine.command([bytes], () => {
    machine.keyspace.set(bytes, 0, bytes.length, Buffer.from(value), 0, value.length, 0)
  })
}

/** A finished life with logs, tables on several levels and counts; the machine is dead, its disk can be rebooted at will. */
export async function life(isClean: boolean): Promise<{ env: SimEnv; history: History }> {
  const machine = StorageMachine.fromSeed(`flips ${isClean}`)
  const history = new History()
  const random = new SimRandom('flips')
  await machine.start()
  for (let i = 0; i < 220; i++) {
    const key = `key ${random.below(60)}`
    const value = random.chance(0.05) ? 'long '.repeat(900) : `${i} `.repeat(random.below(60))
    await put(machine, key, value)
    history.wrote(machine.store.sequence, [{ key, value, expireAtMs: 0 }])
    if (random.chance(0.3)) await machine.advance(1)
  }
  await machine.settle()
  await machine.rest()
  if (isClean) await machine.stop()
  return { env: machine.env, history }
}

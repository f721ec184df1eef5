/**
 * Gives up what is damaged of the only copy, because its owner says so: the files that are named go into quarantine, what is
 * sound of the tables among them is copied, a log ends where it cannot be read any more, and the manifest says all that at
 * once. Nobody will fill the gaps, so they are forgotten at the end: keys that were there may be gone, or show what they
 * held before.
 *
 * Whatever else is damaged stops it as it stops a start.
 */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Random } from '../env/random.js'
import type { Gap } from './gap.js'
import { InlineJobs } from './jobs/inline-jobs.js'
import { Store } from './store.js'
import type { StoreOptions } from './store-options.js'

const LOOK_EVERY_MS = 10

export interface DiscardEnv {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Answers what has been given up. Rejects with CorruptionError and the disk's errors; it may be called again. */
export async function discardDamage(
  env: DiscardEnv,
  options: StoreOptions,
  names: ReadonlySet<string>,
): Promise<readonly Gap[]> {
  const nothing = (): void => {}
  const events = { onDurable: nothing, onRoom: nothing, onLogFailed: nothing, onReopened: nothing }
  // What is dead stays: what may go is for the node to know.
  const safe: StoreOptions = { ...options, discards: names, keepsDead: true }
  const store = await Store.open({ ...env, jobs: new InlineJobs(env.disk) }, safe, events)
  try {
    while (store.takesOutDamage) {
      const { lastJobError } = store.facts()
      if (lastJobError !== '') throw new Error(`what is damaged was not taken out: ${lastJobError}`)
      await new Promise<void>((resolve) => env.clock.after(LOOK_EVERY_MS, resolve))
    }
    const { gaps } = store
    for (const gap of gaps) await store.closeGap(gap)
    return gaps
  } finally {
    await store.close()
  }
}

/**
 * "For every i: run the scenario, let the i-th disk operation be the last, reboot, look." Tests of whatever writes to
 * a disk hand in a story: a scenario that makes promises (acknowledged writes, say) and a check that opens what is left
 * and throws when a promise is broken. What runs between two crashes is deterministic, so that the number in a failure's
 * message is enough to see it again.
 *
 * After each cut the check runs on several clones of the disk: with nothing kept that was not synced, with everything
 * kept (kill -9), and with random leftovers. Each time the check itself is cut once at a random operation and run
 * again on what that left, because recovery writes too. And whatever a finished check has seen must be seen again after
 * one more crash that loses all that was not synced: a reader may have been shown it.
 *
 * Running the scenario anew for every i costs n runs, and is why scenarios should be some hundred operations long;
 * `everyNth` thins longer ones out. Cloning at each operation of one run would be cheaper, but then every scenario would
 * have to say how its promises are copied.
 */
import { isDeepStrictEqual } from 'node:util'
import { assert } from '../../src/util/assert.js'
import type { FaultCode } from '../../src/sim/disk/fault-plan.js'
import { MachineOff } from '../../src/sim/disk/disk-error.js'
import type { CrashMode } from '../../src/sim/disk/sim-file.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import { SimRandom } from '../../src/sim/sim-random.js'
import { diskErrorCode } from '../../src/storage/disk-error.js'

export interface CrashStory<Promises> {
  readonly seed: number | string
  /** Makes the disk's first state; never cut short. */
  prepare?(env: SimEnv): void | Promise<void>
  /** The promises before the scenario has begun; the scenario adds to them the moment it would answer a client. */
  begin(): Promises
  scenario(env: SimEnv, promises: Promises): void | Promise<void>
  /**
   * Opens what the crash left and throws when a promise is broken; it may write as recovery does, and shuts nothing
   * down. What it returns is what readers may have been shown by then (undefined: nothing is promised about that).
   */
  check(env: SimEnv, promises: Promises): unknown
}

export interface CrashSettings {
  /** Random crashes for each cut, beside lose-all and keep-all. */
  readonly randomCrashes?: number
  /** Cuts only at every n-th operation. */
  readonly everyNth?: number
  /** How many operations fail, one after another (1); Infinity: from there on the disk never works again. */
  readonly times?: number
  /**
   * Also lets one operation of each check fail with EIO, which the check may answer with the disk's error. Then the
   * process starts again without a crash (what a failed sync left is still in the page cache) and after one, and both must
   * see what the check would have seen.
   */
  readonly failsChecks?: boolean
  readonly capacityBytes?: number
  readonly delayMsMax?: number
}

/** What was tried; a test asserts on it, so that a scenario which does nothing is noticed. */
export interface CrashReport {
  /** Disk operations of the whole scenario. */
  readonly operations: number
  /** Reboots that were checked. */
  readonly checks: number
}

const OPERATIONS_MAX = 100_000
const VIRTUAL_MS_MAX = 3_600_000
const RANDOM_CRASHES = 2
const TRACE_LINES_SHOWN = 15

/** Cuts the power at every operation of the scenario, and once after its end. */
export async function crashAtEveryOperation<Promises>(
  story: CrashStory<Promises>,
  settings: CrashSettings = {},
): Promise<CrashReport> {
  let checks = 0
  for (let nth = 1; nth <= OPERATIONS_MAX; nth += settings.everyNth ?? 1) {
    const { env, promises, operationsBefore } = await start(story, settings)
    env.disk.powerOffAt(nth)
    const end = await run(env, () => story.scenario(env, promises), `power off at operation ${nth}`)
    const operations = env.disk.operations - operationsBefore
    checks += await checkLeftovers(story, settings, env, promises, `${end} at operation ${operations}`)
    if (end === 'finished') return { operations, checks }
  }
  throw new Error(`the scenario has more than ${OPERATIONS_MAX} operations`)
}

/**
 * Lets every operation fail, one (and `times` - 1 behind it) in each run. The scenario must live with it: it runs on to
 * its end, keeps the promises it made and makes none that it cannot keep. Checked after reboots as above.
 */
export async function failEveryOperation<Promises>(
  story: CrashStory<Promises>,
  code: FaultCode,
  settings: CrashSettings = {},
): Promise<CrashReport> {
  let checks = 0
  for (let nth = 1; nth <= OPERATIONS_MAX; nth += settings.everyNth ?? 1) {
    const { env, promises, operationsBefore } = await start(story, settings)
    env.disk.failAt(nth, code, undefined, settings.times ?? 1)
    await run(env, () => story.scenario(env, promises), `${code} at operation ${nth}`)
    const operations = env.disk.operations - operationsBefore
    checks += await checkLeftovers(story, settings, env, promises, `${code} at operation ${nth}`)
    if (operations < nth) return { operations, checks }
  }
  throw new Error(`the scenario has more than ${OPERATIONS_MAX} operations`)
}

interface Started<Promises> {
  readonly env: SimEnv
  readonly promises: Promises
  readonly operationsBefore: number
}

async function start<Promises>(
  story: CrashStory<Promises>,
  { capacityBytes, delayMsMax }: CrashSettings,
): Promise<Started<Promises>> {
  const env = SimEnv.fromSeed(story.seed, { capacityBytes, delayMsMax })
  if (story.prepare !== undefined) {
    const { prepare } = story
    const end = await run(env, () => prepare.call(story, env), 'prepare')
    assert(end === 'finished', 'the preparation is not cut short')
  }
  return { env, promises: story.begin(), operationsBefore: env.disk.operations }
}

async function checkLeftovers<Promises>(
  story: CrashStory<Promises>,
  settings: CrashSettings,
  env: SimEnv,
  promises: Promises,
  cut: string,
): Promise<number> {
  const random = new SimRandom(`${story.seed}/${cut}`)
  const modes: CrashMode[] = ['lose-all', 'keep-all']
  for (let i = settings.randomCrashes ?? RANDOM_CRASHES; i > 0; i--) modes.push('random')
  for (const [index, mode] of modes.entries()) {
    const what = `${cut}, ${mode} crash (${index})`
    const fork = random.fork(`${index}`)
    const first = await checkOnce(story, env.reboot(mode, fork), promises, what)
    await checkShownAgain(story, first, promises, what)
    await checkAfterCutCheck(story, env, promises, {
      what,
      mode,
      fork,
      operations: first.env.disk.operations,
    })
    if (settings.failsChecks === true)
      await checkAfterFailedCheck(story, env, promises, mode, what, fork, first)
  }
  return (settings.failsChecks === true ? 5 : 3) * modes.length
}

interface Checked {
  readonly env: SimEnv
  readonly shown: unknown
}

/** Runs the check to its end. */
async function checkOnce<Promises>(
  story: CrashStory<Promises>,
  env: SimEnv,
  promises: Promises,
  what: string,
): Promise<Checked> {
  let shown: unknown
  const check = async (): Promise<void> => {
    shown = await story.check(env, promises)
  }
  await run(env, check, what)
  return { env, shown }
}

async function checkShownAgain<Promises>(
  story: CrashStory<Promises>,
  first: Checked,
  promises: Promises,
  what: string,
): Promise<void> {
  const then = `${what}, then a lose-all crash after the check`
  const { env, shown } = await checkOnce(story, first.env.reboot('lose-all'), promises, then)
  if (first.shown === undefined || isDeepStrictEqual(shown, first.shown)) return
  throw new Error(describe(env, `${then}: what had been shown has changed`))
}

interface FirstCheck {
  readonly what: string
  readonly mode: CrashMode
  readonly fork: SimRandom
  readonly operations: number
}

/** The same crash once more, but the check is cut at a random operation and repeated on what that left. */
async function checkAfterCutCheck<Promises>(
  story: CrashStory<Promises>,
  env: SimEnv,
  promises: Promises,
  { what, mode, fork, operations }: FirstCheck,
): Promise<void> {
  const cut = env.reboot(mode, fork.fork('again'))
  const nth = fork.between(1, Math.max(1, operations))
  cut.disk.powerOffAt(nth)
  const check = async (): Promise<void> => void (await story.check(cut, promises))
  await run(cut, check, what)
  const then = fork.pick<CrashMode>(['lose-all', 'keep-all', 'random'])
  const second = `${what}, then a ${then} crash at operation ${nth} of the check`
  await checkOnce(story, cut.reboot(then, fork), promises, second)
}

/** The same crash once more, but the disk fails the check, which is repeated without a crash and after one. */
async function checkAfterFailedCheck<Promises>(
  story: CrashStory<Promises>,
  env: SimEnv,
  promises: Promises,
  mode: CrashMode,
  what: string,
  fork: SimRandom,
  first: Checked,
): Promise<void> {
  const failing = env.reboot(mode, fork.fork('failing'))
  const nth = fork.between(1, Math.max(1, first.env.disk.operations))
  failing.disk.failAt(nth, 'EIO', fork.pick([undefined, 'sync', 'sync-directory']))
  const then = `${what}, EIO at operation ${nth} of the check`
  const check = async (): Promise<void> => {
    try {
      await story.check(failing, promises)
    } catch (error) {
      if (diskErrorCode(error) !== 'EIO') throw error
    }
  }
  await run(failing, check, then)
  const again = await checkOnce(story, failing.reboot('keep-all'), promises, `${then}, then a start`)
  await checkShownAgain(story, again, promises, `${then}, then a start`)
}

/** Drives the task on virtual time to its end or to the power cut. */
async function run(
  env: SimEnv,
  task: () => void | Promise<void>,
  what: string,
): Promise<'finished' | 'power off'> {
  const ending: { done: boolean; error?: unknown } = { done: false }
  const settle = (error?: unknown): void => {
    ending.done = true
    ending.error = error
  }
  new Promise<void>((resolve) => resolve(task())).then(() => settle(), settle)
  const limitMs = env.queue.nowMs + VIRTUAL_MS_MAX
  for (;;) {
    const more = await stepThroughPowerCut(env)
    if (env.disk.isOff) return 'power off'
    if (ending.error !== undefined) throw new Error(describe(env, what), { cause: ending.error })
    if (ending.done) return 'finished'
    // The microtasks of an empty step may have scheduled something.
    const isStuck = !more && env.queue.waiting === 0
    if (isStuck || env.queue.nowMs > limitMs) throw new Error(describe(env, `${what}: waits for ever`))
  }
}

async function stepThroughPowerCut(env: SimEnv): Promise<boolean> {
  try {
    return await env.queue.step()
  } catch (error) {
    if (error instanceof MachineOff) return true
    throw error
  }
}

function describe(env: SimEnv, what: string): string {
  const lines = env.disk.trace.lines.slice(-TRACE_LINES_SHOWN)
  return `${what}, seed ${env.random.seed}; last operations:\n  ${lines.join('\n  ')}`
}

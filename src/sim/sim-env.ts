/**
 * The world of one simulated machine under one seed: time, randomness, a disk and a log. A reboot gives a new world on the
 * same virtual time, with what the crash left of the disk; the old one stays behind dead, so that code which still
 * holds it can neither fire a timer nor touch the new disk.
 */
import { EventQueue } from './event-queue.js'
import type { CrashMode } from './disk/sim-file.js'
import { SimClock } from './sim-clock.js'
import { SimDisk } from './sim-disk.js'
import type { SimDiskOptions } from './sim-disk.js'
import { SimHandoffMedium } from './sim-handoff-store.js'
import { SimLog } from './sim-log.js'
import { SimRandom } from './sim-random.js'

type DiskSettings = Omit<SimDiskOptions, 'random' | 'clock'>

export class SimEnv {
  readonly random: SimRandom
  readonly queue: EventQueue
  readonly clock: SimClock
  readonly disk: SimDisk
  readonly log = new SimLog()
  /** What the machine's nodes hold for others. */
  readonly handoffs: SimHandoffMedium

  private constructor(
    random: SimRandom,
    queue: EventQueue,
    clock: SimClock,
    disk: SimDisk,
    handoffs: SimHandoffMedium,
  ) {
    this.handoffs = handoffs
    this.random = random
    this.queue = queue
    this.clock = clock
    this.disk = disk
  }

  static fromSeed(seed: number | string, settings: DiskSettings = {}): SimEnv {
    const random = new SimRandom(seed)
    return SimEnv.among(new EventQueue(random), random, settings)
  }

  /** One of several machines on the same virtual time; `random` is its own. */
  static among(queue: EventQueue, random: SimRandom, settings: DiskSettings = {}): SimEnv {
    const clock = new SimClock(queue)
    const disk = new SimDisk({ random, clock, ...settings })
    return new SimEnv(random, queue, clock, disk, new SimHandoffMedium())
  }

  /**
   * Ends this world and returns the next one; `random` decides what a random crash keeps. `from`: the disk that the machine has
   * from then on, an empty one or an older copy, instead of its own.
   */
  reboot(mode: CrashMode, random?: SimRandom, from: SimDisk = this.disk): SimEnv {
    this.clock.stop()
    const clock = new SimClock(this.queue, this.clock)
    const disk = from.clone(clock)
    this.disk.powerOff()
    disk.crash(mode, random)
    if (mode === 'keep-all') this.handoffs.keepAll()
    else this.handoffs.crash(mode === 'lose-all' ? undefined : random)
    return new SimEnv(this.random.fork('reboot'), this.queue, clock, disk, this.handoffs)
  }
}

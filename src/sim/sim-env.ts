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

/** Both lie in the data directory. */
export interface DiskContents {
  readonly disk: SimDisk
  readonly handoffs: SimHandoffMedium
}

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
   * Ends this world and returns the next one; `random` decides what a random crash keeps. `from`: what the machine has on its
   * disk from then on, instead of its own.
   */
  reboot(mode: CrashMode, random?: SimRandom, from: DiskContents = this): SimEnv {
    this.clock.stop()
    const clock = new SimClock(this.queue, this.clock)
    const disk = from.disk.clone(clock)
    this.disk.powerOff()
    disk.crash(mode, random)
    const handoffs = from === this ? this.handoffs : from.handoffs.copy()
    if (mode === 'keep-all') handoffs.keepAll()
    else handoffs.crash(mode === 'lose-all' ? undefined : random)
    return new SimEnv(this.random.fork('reboot'), this.queue, clock, disk, handoffs)
  }

  /** As they are now, for a later reboot. */
  copyDisk(): DiskContents {
    return { disk: this.disk.clone(), handoffs: this.handoffs.copy() }
  }

  /** A new disk. */
  emptyDisk(): DiskContents {
    return { disk: new SimDisk({ random: this.random, clock: this.clock }), handoffs: new SimHandoffMedium() }
  }
}

/**
 * One whole node on a simulated machine: started, stopped in order, killed, paused and started again, as often as a test likes.
 * What a crash leaves of its disk is what the next start finds.
 */
import type { ProcessFacts } from '../env/process-facts.js'
import type { NodeConfig } from '../node/node-config.js'
import { startNode } from '../node/node.js'
import type { NodeEnv, RunningNode } from '../node/running-node.js'
import { InlineJobs } from '../storage/jobs/inline-jobs.js'
import { assert } from '../util/assert.js'
import type { CrashMode } from './disk/sim-file.js'
import type { SimClock } from './sim-clock.js'
import type { SimDisk } from './sim-disk.js'
import type { DiskContents, SimEnv } from './sim-env.js'
import type { SimHandoffMedium } from './sim-handoff-store.js'
import type { SimLog } from './sim-log.js'
import type { SimHost, SimNetwork } from './sim-network.js'

const NO_MEMORY = {
  residentBytes: 0,
  peakResidentBytes: 0,
  heapUsedBytes: 0,
  heapTotalBytes: 0,
  externalBytes: 0,
  systemTotalBytes: 0,
}
const FACTS: ProcessFacts = {
  processId: 1,
  operatingSystem: 'simulated',
  memory: () => NO_MEMORY,
  openFilesMax: () => null,
  cpu: () => ({ userSeconds: 0, systemSeconds: 0 }),
}

export class SimNode {
  readonly name: string
  readonly address: string
  /** Of the next start. */
  config: NodeConfig
  /** Of the next start: false has every block that is not in memory waited for. */
  readsEagerly = true
  readonly #network: SimNetwork
  #env: SimEnv
  #host: SimHost
  #running: RunningNode | null = null
  /** Counts the machine's lives: a start that a crash overtook is forgotten. */
  #life = 0
  /** Over the disks of earlier lives. */
  #pastTraces = 0

  constructor(name: string, address: string, config: NodeConfig, env: SimEnv, network: SimNetwork) {
    this.name = name
    this.address = address
    this.config = config
    this.#network = network
    this.#env = env
    this.#host = network.host(address, env.clock)
  }

  get clock(): SimClock {
    return this.#env.clock
  }

  get disk(): SimDisk {
    return this.#env.disk
  }

  /** What this machine holds for other nodes. */
  get handoffs(): SimHandoffMedium {
    return this.#env.handoffs
  }

  get log(): SimLog {
    return this.#env.log
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Of everything that was asked of its disks. */
  get diskHash(): number {
    return (Math.imul(this.#pastTraces, 31) + this.disk.trace.hash) >>> 0
  }

  /** Rejects as startNode does, but resolves when the machine dies meanwhile. Time has to go on. */
  async start(): Promise<void> {
    assert(this.#running === null, 'a node is started once')
    const life = this.#life
    try {
      const running = await startNode(this.config, this.#nodeEnv())
      if (life === this.#life) this.#running = running
    } catch (error) {
      if (life === this.#life) throw error
    }
  }

  /** An orderly stop; the machine stays. Time has to go on meanwhile. */
  async stop(): Promise<void> {
    await this.halt()
    this.#restartMachine('keep-all')
  }

  /** An orderly stop, after which nothing but this look at the machine can be had: see leaks. */
  async halt(): Promise<void> {
    await this.#running?.stop()
  }

  /** What a node that has been halted should have given back, and has not. */
  leaks(): string[] {
    const { clock, disk } = this.#env
    const counts: [number, string][] = [
      [clock.timers, 'timers'],
      [disk.openFiles, 'files'],
      [this.#host.openStreams, 'connections'],
      [this.#host.listeners, 'ports'],
    ]
    return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  }

  /** The machine dies and is there again, without the node. `mode` says what is left of what was not synced. */
  crash(mode: CrashMode): void {
    this.#host.kill()
    this.#restartMachine(mode)
  }

  /** As a crash, and what is on the disk is something else afterwards: nothing, or what was there when it was copied. */
  crashOnto(contents: DiskContents | 'nothing'): void {
    this.#host.kill()
    this.#restartMachine('random', contents === 'nothing' ? this.#env.emptyDisk() : contents)
  }

  copyDisk(): DiskContents {
    return this.#env.copyDisk()
  }

  #restartMachine(mode: CrashMode, contents?: DiskContents): void {
    this.#running = null
    this.#life++
    this.#pastTraces = this.diskHash
    this.#env = this.#env.reboot(mode, this.#env.random.fork('crash'), contents)
    this.#host = this.#network.host(this.address, this.#env.clock)
  }

  #nodeEnv(): NodeEnv {
    const { clock, random, disk, log, handoffs } = this.#env
    return {
      clock,
      random: random.fork('node'),
      network: this.#host,
      disk,
      readsEagerly: this.readsEagerly,
      log,
      process: FACTS,
      lockDirectory: () => Promise.resolve(() => {}),
      openHandoffs: () => handoffs.open(clock),
      startJobs: () => new InlineJobs(disk),
    }
  }
}

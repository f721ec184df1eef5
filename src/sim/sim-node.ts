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
import type { SimEnv } from './sim-env.js'
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

  get log(): SimLog {
    return this.#env.log
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Rejects as startNode does. Time has to go on meanwhile. */
  async start(): Promise<void> {
    assert(this.#running === null, 'a node is started once')
    this.#running = await startNode(this.config, this.#nodeEnv())
  }

  /** An orderly stop; the machine stays. Time has to go on meanwhile. */
  async stop(): Promise<void> {
    await this.#running?.stop()
    this.#restartMachine('keep-all')
  }

  /** The machine dies and is there again, without the node. `mode` says what is left of what was not synced. */
  crash(mode: CrashMode): void {
    this.#host.kill()
    this.#restartMachine(mode)
  }

  #restartMachine(mode: CrashMode): void {
    this.#running = null
    this.#env = this.#env.reboot(mode, this.#env.random.fork('crash'))
    this.#host = this.#network.host(this.address, this.#env.clock)
  }

  #nodeEnv(): NodeEnv {
    const { clock, random, disk, log } = this.#env
    return {
      clock,
      random: random.fork('node'),
      network: this.#host,
      disk,
      readsEagerly: this.readsEagerly,
      log,
      process: FACTS,
      lockDirectory: () => Promise.resolve(() => {}),
      startJobs: () => new InlineJobs(disk),
    }
  }
}

/**
 * A node from the outside, as the command line, the tests and the simulator hold it: started from a checked
 * configuration and an environment, stopped once.
 */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Network } from '../env/network.js'
import type { ProcessFacts } from '../env/process-facts.js'
import type { Random } from '../env/random.js'
import type { HandoffStore } from '../repair/handoff-store.js'
import type { StorageJobs } from '../storage/jobs/storage-jobs.js'
import type { LogLevel, NodeConfig } from './node-config.js'

/** Everything that a node may touch of the world. */
export interface NodeEnv {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly disk: Disk
  /** Whether blocks may be read on the spot while that goes fast (eager-reads.ts); by default they may. */
  readonly readsEagerly?: boolean
  readonly log: Log
  /** How much `log` says from now on; absent where that is not for the node to change. */
  readonly setLogLevel?: (level: LogLevel) => void
  readonly process: ProcessFacts
  /** Makes sure that no other process uses the data directory; resolves with the release, rejects when one does. */
  lockDirectory(directory: string): Promise<() => void>
  /** Opens the store of what is held for other nodes, in the data directory, which exists; the node closes it. */
  openHandoffs(directory: string): HandoffStore
  /** Threads for flushes and compactions, or their twin in this thread; the node closes them. Rate: 0 for no limit. */
  startJobs(compactionBytesPerSecond: number): StorageJobs
}

export interface RunningNode {
  /** The bound client port; differs from the configured one only when that is 0. */
  readonly port: number
  /** Orderly stop: takes no new requests, answers those in flight, syncs, closes. Further calls get the same promise. */
  stop(): Promise<void>
  /** Settles when the node has stopped, by stop(), by SHUTDOWN or by a failure that it cannot go on with (then rejects). */
  readonly done: Promise<void>
}

/** Rejects with the network's EADDRINUSE, the disk's errors or the storage's refusal; nothing is left running then. */
export type StartNode = (config: NodeConfig, env: NodeEnv) => Promise<RunningNode>

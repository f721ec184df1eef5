/**
 * Runs one node in the foreground of this process: starts it on the real clock, disk and network, stops it in order at
 * the first SIGINT or SIGTERM, gives up waiting at the second.
 */
import { lockDirectory } from '../env/directory-lock.js'
import { NodeClock } from '../env/node-clock.js'
import { NodeDisk } from '../env/node-disk.js'
import { NodeLog } from '../env/node-log.js'
import type { LogLevel as EventLevel } from '../env/node-log.js'
import { NodeNetwork } from '../env/node-network.js'
import { NodeProcessFacts } from '../env/node-process-facts.js'
import { NodeRandom } from '../env/node-random.js'
import { clusterWarnings } from '../node/cluster-checks.js'
import type { LogLevel, NodeConfig } from '../node/node-config.js'
import { startNode } from '../node/node.js'
import type { NodeEnv, RunningNode } from '../node/running-node.js'
import { LmdbHandoffStore } from '../repair/lmdb-handoff-store.js'
import { WorkerJobs } from '../storage/jobs/worker-jobs.js'
import type { Output } from './output.js'
import { StopSignals } from './stop-signals.js'

/** Redis's names for how much is said, in the log's own levels; the log knows no step between debug and info. */
const EVENT_LEVELS: Readonly<Record<LogLevel, EventLevel>> = {
  debug: 'debug',
  verbose: 'debug',
  notice: 'info',
  warning: 'warn',
}

const STANDARD_OUTPUT = 1
const STANDARD_ERROR = 2

export interface Run {
  /** Log lines go to standard error instead of standard output, which then belongs to people. */
  readonly logToStandardError: boolean
  /** Called once when the node serves. */
  readonly onServing: (node: RunningNode) => void
}

/** Resolves with the exit code: 0 after an orderly stop, 1 when the node could not start or go on. */
export async function runNode(config: NodeConfig, run: Run, output: Output): Promise<number> {
  const log = new NodeLog(
    EVENT_LEVELS[config.logLevel],
    run.logToStandardError ? STANDARD_ERROR : STANDARD_OUTPUT,
  )
  for (const warning of clusterWarnings(config)) log.warn(warning)
  const signals = new StopSignals()
  let node: RunningNode
  try {
    node = await startNode(config, nodeEnv(config, log))
  } catch (error) {
    output.error(`kindred: ${describeStartError(error, config)}`)
    return 1
  }
  run.onServing(node)
  signals.onFirst(() => void node.stop())
  try {
    await node.done
    return 0
  } catch (error) {
    output.error(`kindred: the node stopped: ${(error as Error).message}`)
    return 1
  }
}

function nodeEnv(config: NodeConfig, log: NodeLog): NodeEnv {
  const { tcpKeepaliveSeconds: keepAliveSeconds, tcpBacklog: backlog } = config
  const clock = new NodeClock()
  const disk = new NodeDisk()
  return {
    clock,
    random: new NodeRandom(),
    network: new NodeNetwork({ keepAliveSeconds, backlog }),
    disk,
    log,
    setLogLevel: (level) => log.setLevel(EVENT_LEVELS[level]),
    process: new NodeProcessFacts(),
    lockDirectory,
    openHandoffs: (directory) => LmdbHandoffStore.open(directory, disk, log),
    startJobs: (rate) => new WorkerJobs(clock, rate),
  }
}

/** A sentence about why the node did not start, with what to do about it where that is known. */
export function describeStartError(error: unknown, config: NodeConfig): string {
  const { code, message, address } = error as NodeJS.ErrnoException & { address?: string }
  const where = `port ${config.port} on ${address ?? config.bind.join(', ')}`
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is in use already. Stop what listens there, or take another port with --port <number> (setting port).`
    case 'EACCES':
      return `not allowed: ${message}. Ports below 1024 need privileges (--port), and the data directory must be writable (--dir).`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `cannot listen on ${where}: this machine has no such address. Check --bind (setting bind).`
    default:
      return `the node could not start: ${message}`
  }
}

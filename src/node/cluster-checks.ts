/**
 * What the cluster's settings must be together: refusals before anything starts, and warnings about what is allowed but
 * gives up a promise.
 */
import { levelName, majority, required } from '../coordinator/consistency.js'
import type { Level } from '../coordinator/consistency.js'
import { MEMBERS_PATH } from './cluster-schema.js'
import { isLoopback } from './loopback.js'
import type { ClusterConfig, NodeConfig } from './node-config.js'

/** Of a secret that guards a port which other machines reach. */
export const SECRET_LENGTH_MIN = 32

/** Sentences about settings that contradict each other; none for a single node. */
export function clusterProblems(config: NodeConfig): string[] {
  const { cluster } = config
  if (cluster === null) return []
  return [
    ...levelProblems(cluster),
    ...phiProblems(cluster),
    ...graceProblems(cluster),
    ...reachProblems(config, cluster),
    ...secretProblems(config, cluster),
  ]
}

function phiProblems({ phiConvictThreshold, phiSuspiciousThreshold }: ClusterConfig): string[] {
  if (phiSuspiciousThreshold <= phiConvictThreshold) return []
  return [
    `cluster.phi-suspicious-threshold: ${phiSuspiciousThreshold}, allowed: at most cluster.phi-convict-threshold, which is ${phiConvictThreshold}`,
  ]
}

/** A hint that is younger than the grace may still bring what was deleted before the deletion was purged (RULES P1, L4). */
function graceProblems({ tombstoneGraceMs, maxHintWindowMs }: ClusterConfig): string[] {
  if (tombstoneGraceMs > maxHintWindowMs) return []
  return [
    `cluster.tombstone-grace: ${tombstoneGraceMs}, allowed: more than cluster.max-hint-window, which is ${maxHintWindowMs}`,
  ]
}

function copies(cluster: ClusterConfig): number {
  return Math.min(cluster.replicas, cluster.members.length)
}

/** Every level that is set, with its path. */
function levelsOf(cluster: ClusterConfig): { path: string; level: Level; isWrite: boolean }[] {
  const levels = [
    { path: 'cluster.read-consistency', level: cluster.readLevel, isWrite: false },
    { path: 'cluster.write-consistency', level: cluster.writeLevel, isWrite: true },
  ]
  for (const { prefix, read, write } of cluster.policies) {
    const of = `of the policy for ${JSON.stringify(prefix)}`
    if (read !== null) levels.push({ path: `read-consistency ${of}`, level: read, isWrite: false })
    if (write !== null) levels.push({ path: `write-consistency ${of}`, level: write, isWrite: true })
  }
  return levels
}

function levelProblems(cluster: ClusterConfig): string[] {
  const replicas = copies(cluster)
  return levelsOf(cluster)
    .filter(({ level }) => required(level, replicas) > replicas)
    .map(({ path, level }) => {
      return `${path}: ${levelName(level)}, allowed: what ${replicas} ${replicas === 1 ? 'copy' : 'copies'} of a key can meet`
    })
}

function reachProblems({ bind }: NodeConfig, { self }: ClusterConfig): string[] {
  if (isLoopback(self.address) || !bind.every(isLoopback)) return []
  return [
    `bind: ${bind.join(' ')}, allowed: also an address that other machines reach, because ${self.name} is at ${self.address} for the other members`,
  ]
}

function secretProblems({ bind, clusterSecret }: NodeConfig, { members }: ClusterConfig): string[] {
  if (clusterSecret.length >= SECRET_LENGTH_MIN) return []
  const member = members.find(({ address }) => !isLoopback(address))
  const listening = bind.find((address) => !isLoopback(address))
  if (member === undefined && listening === undefined) return []
  const given = clusterSecret === '' ? 'missing' : `${clusterSecret.length} characters`
  const why =
    member === undefined
      ? `this node listens on ${listening} (bind)`
      : `${member.name} at ${member.address} is beyond this machine (${MEMBERS_PATH})`
  return [
    `cluster-secret: ${given}, allowed: ${SECRET_LENGTH_MIN} characters or more, the same on all nodes, because ${why}`,
  ]
}

/** Sentences for the log about what the settings give up. */
export function clusterWarnings(config: NodeConfig): string[] {
  const { cluster } = config
  if (cluster === null) return []
  const replicas = copies(cluster)
  const warnings = levelsOf(cluster)
    .filter(({ level, isWrite }) => isWrite && required(level, replicas) < majority(replicas))
    .map(({ path, level }) => {
      const nodes = required(level, replicas)
      return `${path} is ${levelName(level)}: OK is answered when ${nodes} of ${replicas} replicas have a write, so failures of ${nodes} can lose it, and FLUSHALL is not promised to hold for writes beside it`
    })
  const [read, write] = [required(cluster.readLevel, replicas), required(cluster.writeLevel, replicas)]
  if (read + write <= replicas) {
    warnings.push(
      `cluster.read-consistency ${levelName(cluster.readLevel)} and cluster.write-consistency ${levelName(cluster.writeLevel)} do not overlap on ${replicas} replicas: a read may miss an acknowledged write`,
    )
  }
  if (replicas < cluster.replicas) {
    warnings.push(
      `cluster.replicas is ${cluster.replicas}, but there are ${replicas} members: every key is kept ${replicas} times`,
    )
  }
  return warnings
}

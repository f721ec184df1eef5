/**
 * From the configured member list to the ring (RULES H2). The first start of a data directory places the list and keeps it
 * with its vnodes; every later one goes on from what was kept: members that are new join the ring that is there, and
 * one that has gone from the configuration is refused, because its share of the keys would have to move first.
 *
 * Labels, names and N follow the configuration. They too decide who has a copy, and nothing moves copies yet, so
 * every change is said in the log.
 */
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Member } from '../ring/member.js'
import { Ring } from '../ring/ring.js'
import { loadMembers, saveMembers } from './member-list-file.js'
import type { SavedMembers } from './member-list-file.js'
import type { ClusterConfig, ClusterMember } from './node-config.js'

/** The configured list cannot follow the kept one; the message is for the operator and names both. */
export class MemberListError extends Error {
  override readonly name = 'MemberListError'
}

/**
 * The ring of a node whose data lie in `directory`, with the list in it brought up to date. Throws MemberListError,
 * RingError (no ring can be made of the list), CorruptionError and the disk's errors.
 */
export function openMemberList(disk: Disk, log: Log, directory: string, cluster: ClusterConfig): Ring {
  const saved = loadMembers(disk, directory)
  const ring = placed(saved, cluster)
  if (saved === null) {
    disk.makeDirectory(directory)
    save(disk, directory, cluster, ring)
    log.info('member list made', { list: ring.describe() })
    return ring
  }
  const before = new Ring(saved.members, saved.replicas)
  if (ring.version !== before.version) {
    save(disk, directory, cluster, ring)
    log.warn('member list changed: no data has moved', { before: before.describe(), now: ring.describe() })
  }
  return ring
}

/** The ring that a node with this directory and configuration has, without a change on disk. Throws as openMemberList. */
export function placedMembers(disk: Disk, directory: string, cluster: ClusterConfig): Ring {
  return placed(loadMembers(disk, directory), cluster)
}

function placed(saved: SavedMembers | null, cluster: ClusterConfig): Ring {
  const { members, replicas } = cluster
  if (saved === null) return new Ring(members.map(joining), replicas)
  return new Ring(continued(new Ring(saved.members, saved.replicas), cluster), replicas)
}

function save(disk: Disk, directory: string, { replicas }: ClusterConfig, { members }: Ring): void {
  saveMembers(disk, directory, { replicas, members })
}

/** A configured member as the ring takes it, without vnodes. */
function joining({ id, name, host, rack, datacenter, weight }: ClusterMember): Member {
  return { id, name, host, rack, datacenter, weight, vnodes: null }
}

function continued(before: Ring, { members, replicas }: ClusterConfig): Member[] {
  const kept = new Map(before.members.map((member) => [member.id, member]))
  const gone = before.members.filter(({ id }) => !members.some((member) => member.id === id))
  const resized = members.filter(({ id, weight }) => kept.has(id) && kept.get(id)?.weight !== weight)
  if (gone.length > 0 || resized.length > 0) {
    const missing = gone.map(({ name }) => `${name} is missing`)
    const weighed = resized.map(
      ({ name, id, weight }) => `${name} had weight ${kept.get(id)?.weight}, not ${weight}`,
    )
    throw new MemberListError(
      `the configured member list is another one than this data directory was used with: ${[...missing, ...weighed].join('; ')}. ` +
        `Members can only be added yet. Kept: ${before.describe()}. Configured: ${configuredText(members, replicas)}.`,
    )
  }
  return members.map((member) => ({ ...joining(member), vnodes: kept.get(member.id)?.vnodes ?? null }))
}

function configuredText(members: readonly ClusterMember[], replicas: number): string {
  return new Ring(members.map(joining), replicas).describe()
}

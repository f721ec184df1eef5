/**
 * Who has which slot, in the three shapes that clients ask for. All of them name smart ports only, so a cluster client that
 * was given any address arrives there by itself.
 *
 *     SLOTS    who serves a slot *now*: its home first, then the other replicas that are live. Slots that nobody serves are
 *              left out. Clients route by it, and MOVED says the same. A node that reaches too few others to be of use names the
 *              next replica first, which is home on the other side.
 *     SHARDS   who holds a slot by the ring: groups of slots with equal preference lists, first member `master`. Which of
 *              them are live is said beside it.
 *     NODES    who owns a slot by the ring: every node is a `master` of its primary slots, and the lines are the same on all
 *              nodes but for `myself`, `fail?` (only this node holds it down; agreed: `fail`) and the state of the links;
 *              redis-cli --cluster check compares them.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { joined } from '../ring/slot-range.js'
import type { SlotRange } from '../ring/slot-range.js'
import { epochOf, failureOf } from './cluster-facts.js'
import type { ClusterMember, ClusterView, LinkFacts } from './cluster-view.js'
import type { InfoFacts } from './info-facts.js'

const NOBODY = -1

/** Slots that the same members serve, the home first. */
interface ServedRange extends SlotRange {
  readonly servers: readonly number[]
}

/** What CLUSTER SLOTS says, as few ranges as possible, ascending. */
export function servedRanges(cluster: ClusterView): readonly ServedRange[] {
  const served: ServedRange[] = []
  for (const { firstSlot, lastSlot, list } of cluster.ring.ranges()) {
    const home = cluster.namedHomeOf(firstSlot)
    if (home === NOBODY) continue
    const others = list.filter((member) => member !== home && cluster.stateOf(member) !== 'down')
    const servers = [home, ...others]
    const before = served.at(-1)
    if (before?.lastSlot === firstSlot - 1 && isSame(before.servers, servers)) {
      served[served.length - 1] = { ...before, lastSlot }
    } else {
      served.push({ firstSlot, lastSlot, servers })
    }
  }
  return served
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((member, i) => member === other[i])
}

export function writeSlots(reply: ReplyWriter, cluster: ClusterView): void {
  const ranges = servedRanges(cluster)
  reply.array(ranges.length)
  for (const { firstSlot, lastSlot, servers } of ranges) {
    reply.array(2 + servers.length)
    reply.integer(firstSlot)
    reply.integer(lastSlot)
    for (const server of servers) {
      const member = cluster.members[server]
      reply.array(4)
      reply.bulkText(member.address)
      reply.integer(member.smartPort)
      reply.bulkText(member.id)
      reply.map(0)
    }
  }
}

export function writeShards(reply: ReplyWriter, cluster: ClusterView): void {
  const shards = new Map<string, { list: readonly number[]; ranges: SlotRange[] }>()
  for (const range of cluster.ring.ranges()) {
    const name = range.list.join()
    const shard = shards.get(name) ?? { list: range.list, ranges: [] }
    shards.set(name, shard)
    shard.ranges.push(range)
  }
  reply.array(shards.size)
  for (const { list, ranges } of shards.values()) writeShard(reply, cluster, list, joined(ranges))
}

function writeShard(
  reply: ReplyWriter,
  cluster: ClusterView,
  list: readonly number[],
  ranges: readonly SlotRange[],
): void {
  reply.map(2)
  reply.bulkText('slots')
  reply.array(2 * ranges.length)
  for (const { firstSlot, lastSlot } of ranges) {
    reply.integer(firstSlot)
    reply.integer(lastSlot)
  }
  reply.bulkText('nodes')
  reply.array(list.length)
  list.forEach((member, place) => {
    const { id, smartPort, address } = cluster.members[member]
    writeMap(reply, [
      ['id', id],
      ['port', smartPort],
      ['ip', address],
      ['endpoint', address],
      ['role', place === 0 ? 'master' : 'replica'],
      ['replication-offset', 0],
      ['health', cluster.stateOf(member) === 'down' ? 'failed' : 'online'],
    ])
  })
}

/** The text of CLUSTER NODES: one line for each member. */
export function nodesText(cluster: ClusterView): string {
  return cluster.members.map((member, index) => `${nodeLine(cluster, member, index)}\n`).join('')
}

function nodeLine(
  cluster: ClusterView,
  { id, address, smartPort, clusterPort }: ClusterMember,
  index: number,
) {
  const isSelf = index === cluster.self
  const link = cluster.linksOf(index).find(({ direction }) => direction === 'to')
  const flags = [isSelf ? 'myself,master' : 'master']
  const failure = failureOf(cluster, index)
  if (failure !== 'none') flags.push(failure === 'fail' ? 'fail' : 'fail?')
  return [
    id,
    `${address}:${smartPort}@${clusterPort}`,
    flags.join(),
    '-',
    Math.round(link?.pingSentAtMs ?? 0),
    Math.round(link?.heardAtMs ?? 0),
    epochOf(cluster.ring),
    isSelf || link?.isConnected === true ? 'connected' : 'disconnected',
    ...cluster.ring.primaryRanges(index).map(rangeText),
  ].join(' ')
}

function rangeText({ firstSlot, lastSlot }: SlotRange): string {
  return firstSlot === lastSlot ? `${firstSlot}` : `${firstSlot}-${lastSlot}`
}

export function writeLinks(reply: ReplyWriter, cluster: ClusterView): void {
  const links = cluster.members.flatMap(({ id }, member) =>
    cluster
      .linksOf(member)
      .filter(({ isConnected }) => isConnected)
      .map((link) => [id, link] as const),
  )
  reply.array(links.length)
  for (const [id, link] of links) writeMap(reply, linkFields(id, link))
}

function linkFields(id: string, link: LinkFacts): InfoFacts {
  return [
    ['direction', link.direction],
    ['node', id],
    ['create-time', Math.round(link.createdAtMs)],
    ['events', link.sendBufferUsedBytes > 0 ? 'rw' : 'r'],
    ['send-buffer-allocated', link.sendBufferAllocatedBytes],
    ['send-buffer-used', link.sendBufferUsedBytes],
  ]
}

function writeMap(reply: ReplyWriter, fields: InfoFacts): void {
  reply.map(fields.length)
  for (const [name, value] of fields) {
    reply.bulkText(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulkText(value)
  }
}

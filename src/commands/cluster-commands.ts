/**
 * CLUSTER and the connection switches of cluster clients. The shapes are Redis 7.0's, because client libraries take them
 * apart; on a single node everything here, HELP included, answers as a Redis without cluster support.
 */
import { slotOf } from '../ring/slot.js'
import { textOf } from './args.js'
import { clusterInfo } from './cluster-facts.js'
import { nodesText, writeLinks, writeShards, writeSlots } from './cluster-topology.js'
import type { ClusterView } from './cluster-view.js'
import { NO_CLUSTER } from './error-texts.js'
import { helpHandler } from './help.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import { countKeysInSlot, getKeysInSlot } from './slot-keys.js'
import { CLUSTER_ROW } from './table/cluster-rows.js'
import { quote, refuseQuoting } from './unknown-command.js'

/** A handler for nodes that are part of a cluster. */
function inCluster(handler: (request: Request, cluster: ClusterView) => Outcome): Handler {
  return (request) => {
    const { cluster } = request.node
    if (cluster !== null) return handler(request, cluster)
    request.reply.error(NO_CLUSTER)
    return DONE
  }
}

/** The same for what only renders. */
function renders(render: (request: Request, cluster: ClusterView) => void): Handler {
  return inCluster((request, cluster) => {
    render(request, cluster)
    return DONE
  })
}

const info = renders(({ reply }, cluster) => {
  const lines = clusterInfo(cluster).map(([name, value]) => `${name}:${value}\r\n`)
  reply.verbatim('txt', lines.join(''))
})

const keyslot = renders(({ reply, bytes, offsets }) => reply.integer(slotOf(bytes, offsets[4], offsets[5])))

const replicas = inCluster((request, cluster) => {
  const id = textOf(request, 2).toLowerCase()
  if (!cluster.members.some((member) => member.id === id)) {
    return refuseQuoting(request.reply, `Unknown node ${quote(request.bytes, request.offsets, 2)}`)
  }
  request.reply.array(0)
  return DONE
})

const readonly = renders(({ reply, session }) => {
  session.readsFromReplicas = true
  reply.ok()
})

const readwrite = renders(({ reply, session }) => {
  session.readsFromReplicas = false
  reply.ok()
})

export const clusterHandlers: Readonly<Record<string, Handler>> = {
  asking: renders(({ reply }) => reply.ok()),
  'cluster|countkeysinslot': inCluster(countKeysInSlot),
  'cluster|getkeysinslot': inCluster(getKeysInSlot),
  'cluster|help': inCluster(helpHandler(CLUSTER_ROW)),
  'cluster|info': info,
  'cluster|keyslot': keyslot,
  'cluster|links': renders(({ reply }, cluster) => writeLinks(reply, cluster)),
  'cluster|myid': renders(({ reply }, cluster) => reply.bulkText(cluster.members[cluster.self].id)),
  'cluster|nodes': renders(({ reply }, cluster) => reply.verbatim('txt', nodesText(cluster))),
  'cluster|replicas': replicas,
  'cluster|shards': renders(({ reply }, cluster) => writeShards(reply, cluster)),
  'cluster|slots': renders(({ reply }, cluster) => writeSlots(reply, cluster)),
  readonly,
  readwrite,
}

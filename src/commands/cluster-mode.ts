/**
 * What a connection is told about the kind of server that it talks to. On the plain port everything is proxied and nothing
 * is ever redirected, so a client there must not turn into a cluster client: HELLO's mode and INFO's redis_mode say
 * `standalone`. On the smart port they say `cluster`.
 *
 * INFO's cluster_enabled is another matter: it says whether CLUSTER works, which it does on both ports, and redis-cli --cluster
 * refuses a node that does not say so (no client library decides anything by it).
 */
import type { NodeServices } from './node-services.js'
import type { Listener } from './session.js'

export function modeOf(node: NodeServices, listener: Listener): 'standalone' | 'cluster' {
  return node.cluster !== null && listener === 'smart' ? 'cluster' : 'standalone'
}

/** A node that is nothing but its links, for the benchmark of links. */
import { NodeClock } from '../../src/env/node-clock.js'
import { NodeNetwork } from '../../src/env/node-network.js'
import { NodeRandom } from '../../src/env/node-random.js'
import type { IncomingLinkUser } from '../../src/link/incoming-link.js'
import { LINK_DEFAULTS } from '../../src/link/link-node.js'
import type { LinkNode } from '../../src/link/link-node.js'
import { Links } from '../../src/link/links.js'

const NOTHING = Buffer.alloc(0)

export function bareLinks(nodeId: string, user: IncomingLinkUser): Links {
  const random = new NodeRandom()
  const node: LinkNode = {
    nodeId,
    bootId: random.next53(),
    ringVersion: () => '',
    flushMark: () => 0,
    helloState: () => NOTHING,
    fitness: () => 0,
    pingState: () => NOTHING,
    stamp: () => 1,
    witness: () => {},
  }
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const network = new NodeNetwork({ keepAliveSeconds: 0, backlog: 16 })
  return new Links(
    { clock: new NodeClock(), random, network, log },
    node,
    { ...LINK_DEFAULTS, secret: 'bench' },
    user,
  )
}

/** Links over real sockets on 127.0.0.1: what the simulated network has shown holds there too. */
import t from 'tap'
import { NodeClock } from '../../src/env/node-clock.js'
import { NodeNetwork } from '../../src/env/node-network.js'
import { NodeRandom } from '../../src/env/node-random.js'
import { LINK_DEFAULTS } from '../../src/link/link-node.js'
import { Links } from '../../src/link/links.js'
import { SimLog } from '../../src/sim/sim-log.js'
import { request, TestClient, TestNode, TestServer } from '../unit/link/link-world.js'
import { until } from '../support/until.js'

const HOST = '127.0.0.1'

function member(nodeId: string, bootId: number, secret = 'secret') {
  const node = new TestNode(nodeId, bootId)
  const server = new TestServer()
  const log = new SimLog()
  const network = new NodeNetwork({ keepAliveSeconds: 0, backlog: 16 })
  const env = { clock: new NodeClock(), random: new NodeRandom(), network, log }
  return { node, server, log, links: new Links(env, node, { ...LINK_DEFAULTS, secret }, server) }
}

t.test('requests, answers, refusals and a large value between two nodes', async (t) => {
  const a = member('a', 1)
  const b = member('b', 2)
  const port = await b.links.listen(HOST, 0)
  const client = new TestClient()
  const link = a.links.peer(HOST, port, client)
  await until('the link is up', () => link.state === 'up' && b.server.links.length === 1)

  b.server.onEach = (incoming, sequence) => {
    if (sequence % 10 === 0) incoming.refuse(sequence, 5)
    else request(incoming, 9, `answer to ${sequence}`)
  }
  for (let i = 1; i <= 10_000; i++) request(link, 1, `request ${i}`)
  await until('all are acknowledged', () => client.acked === 10_000)
  t.equal(b.server.requests.length, 10_000)
  t.ok(b.server.requests.every(({ text, sequence }, i) => sequence === i + 1 && text === `request ${i + 1}`))
  t.equal(client.refused.length, 1000)
  await until('all answers', () => client.answers.length === 9000)

  const value = Buffer.alloc(20_000_000, 'v')
  link.endWith(link.begin(2, 0, value.length), value, 0, value.length)
  await until('the value is there', () => client.acked === 10_001)
  t.equal(b.server.requests.at(-1)?.length, value.length)
  t.equal(link.unacknowledgedBytes, 0)
  await until('clocks are compared', () => link.clock.isKnown)
  t.ok(Math.abs(link.clock.offsetMs) <= 2 + link.clock.roundTripMs)
  await Promise.all([a.links.close(), b.links.close()])
})

t.test('a node that comes back on its port is linked again, from sequence 1', async (t) => {
  const a = member('a', 1)
  const first = member('b', 2)
  const port = await first.links.listen(HOST, 0)
  const client = new TestClient()
  const link = a.links.peer(HOST, port, client)
  await until('the link is up', () => link.state === 'up')
  first.server.acknowledges = false
  request(link, 1, 'in doubt')
  await until('it arrived', () => first.server.requests.length === 1)
  await first.links.close()
  await until('the loss is told', () => client.lost.length === 1)
  t.same(client.lost, [{ acked: 0, handed: 1, last: 1 }])
  t.equal(link.state, 'down')

  const second = member('b', 3)
  await second.links.listen(HOST, port)
  await until('the link is up again', () => link.state === 'up')
  t.equal(link.hello?.bootId, 3)
  t.equal(request(link, 1, 'again'), 1)
  await until('it is acknowledged', () => client.acked === 1)
  await Promise.all([a.links.close(), second.links.close()])
})

t.test('another secret keeps a node out', async (t) => {
  const a = member('a', 1, 'one')
  const b = member('b', 2, 'another')
  const port = await b.links.listen(HOST, 0)
  const client = new TestClient()
  a.links.peer(HOST, port, client)
  await until('it was refused twice', () => (b.links.closeCounts.get('secret') ?? 0) >= 2)
  await until('and the dialer knows why', () => (a.links.closeCounts.get('secret') ?? 0) >= 1)
  t.same(client.hellos, [])
  t.same(b.server.hellos, [])
  await Promise.all([a.links.close(), b.links.close()])
})

/**
 * Two linked nodes under whatever the network and their machines do, from a seed. Safety: on each connection requests arrive
 * from 1 on, in order, each once; what was acknowledged had arrived; what never left did not. Liveness: once all is well, the
 * link is up again and takes requests.
 */
import t from 'tap'
import type { IncomingLink } from '../../src/link/incoming-link.js'
import { pair } from '../unit/link/link-world.js'

const SEEDS = 40
const STEPS = 60
const HEALED_WITHIN_MS = 8000

function story(seed: number): { hash: number; delivered: number; lost: number } {
  const { world, a, b, link, client } = pair(`story ${seed}`, { unacknowledgedBytesMax: 500_000 }, 64 * 1024)
  const random = world.random.fork('story')
  /** Of each connection, by the number that its requests name: the highest sequence that arrived. */
  const arrived = new Map<number, number>()
  const connectionOf = new Map<IncomingLink, number>()
  let connection = 0
  let sentOn = 0
  const fail = (what: string): never => {
    throw new Error(`seed ${seed}: ${what}`)
  }
  client.onConnect = () => {
    connection++
    sentOn = 0
  }
  const { onRequest } = b.server
  b.server.acknowledges = false
  b.server.onRequest = (incoming, kind, bytes, start, end, sequence, hlc) => {
    const [named, own] = bytes
      .toString('latin1', start, start + 20)
      .split(' ')
      .map(Number)
    if (connectionOf.get(incoming) === undefined) connectionOf.set(incoming, named)
    if (connectionOf.get(incoming) !== named) fail(`a request of connection ${named} came on another`)
    if (own !== sequence || (arrived.get(named) ?? 0) + 1 !== sequence)
      fail(`request ${own} came as ${sequence}`)
    arrived.set(named, sequence)
    onRequest.call(b.server, incoming, kind, bytes, start, end, sequence, hlc)
    if (b.server.acknowledges) return
    if (random.chance(0.1)) incoming.refuse(sequence, 1)
    if (random.chance(0.2)) incoming.acknowledge(sequence)
  }
  const check = (): void => {
    if (client.acked > (arrived.get(connection) ?? 0)) fail('acknowledged before it arrived')
  }
  client.onLost = (_link, acked, handed, last) => {
    client.lost.push({ acked, handed, last })
    if (last !== sentOn) fail(`${last} of ${sentOn} requests are known`)
    if ((arrived.get(connection) ?? 0) > handed) fail('what arrived had never left')
  }
  const send = (bytes: number): void => {
    const head = `${connection} ${sentOn + 1} `.padEnd(20)
    const at = link.begin(1, 20, bytes)
    if (at === -1) return
    link.bytes.write(head, at, 'latin1')
    const body = Buffer.alloc(bytes, 'b')
    const sequence = link.endWith(at + 20, body, 0, bytes)
    if (sequence !== ++sentOn) fail(`request ${sentOn} got number ${sequence}`)
  }
  const faults: (() => void)[] = [
    () => world.network.break('a', 'b'),
    () => world.network.block('a', 'b'),
    () => world.network.block('b', 'a'),
    () => world.network.heal('a', 'b'),
    () => world.network.heal('a', 'b'),
    () => b.clock.pause(),
    () => b.clock.resume(),
    () => a.clock.pause(),
    () => a.clock.resume(),
    () => a.clock.jumpWall(random.between(-5000, 5000)),
  ]
  for (let step = 0; step < STEPS; step++) {
    for (let i = random.below(20); i > 0; i--)
      send(random.chance(0.05) ? random.below(300_000) : random.below(500))
    if (random.chance(0.4)) random.pick(faults)()
    world.run(random.chance(0.1) ? random.below(7000) : random.below(60))
    check()
  }
  world.network.heal('a', 'b')
  a.clock.resume()
  b.clock.resume()
  b.server.acknowledges = true
  const isWell = (): boolean => {
    if (link.state === 'up' && link.canSend(100)) send(100)
    world.run(20)
    check()
    return link.state === 'up' && client.acked > 0 && client.acked === arrived.get(connection)
  }
  const deadlineMs = world.queue.nowMs + HEALED_WITHIN_MS
  while (!isWell()) if (world.queue.nowMs > deadlineMs) fail('not well again in time')
  const delivered = [...arrived.values()].reduce((sum, count) => sum + count, 0)
  return { hash: world.network.trace.hash, delivered, lost: client.lost.length }
}

t.test('requests arrive in order and once whatever happens, and links heal', async (t) => {
  let delivered = 0
  let lost = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const told = story(seed)
    delivered += told.delivered
    lost += told.lost
  }
  t.ok(delivered > 1000, `${delivered} requests arrived`)
  t.ok(lost > SEEDS / 2, `${lost} connections were lost on the way`)
})

t.test('the same seed tells the same story', async (t) => {
  t.equal(story(7).hash, story(7).hash)
  t.not(story(7).hash, story(8).hash)
})

/** Links between nodes, over the simulated network: order, batches, acks, pieces, flow control, loss and liveness. */
import t from 'tap'
import { CATCHING_UP, DISK_FULL } from '../../../src/link/ping.js'
import { INLINE_MESSAGE_BYTES_MAX, SILENT_MS_MAX } from '../../../src/link/limits.js'
import { LinkWorld, pair, request } from './link-world.js'

t.test('requests come in order, numbered from 1, and are acknowledged by a watermark', async (t) => {
  const { world, b, link, client } = pair(1)
  for (let i = 1; i <= 100; i++) t.equal(request(link, i % 7, `request ${i}`), i)
  t.ok(world.until(() => client.acked === 100))
  t.same(
    b.server.requests.map(({ kind, text, sequence }) => [kind, text, sequence]),
    Array.from({ length: 100 }, (_, i) => [(i + 1) % 7, `request ${i + 1}`, i + 1]),
  )
  t.equal(link.unacknowledgedBytes, 0)
})

t.test('what one turn writes leaves in one write, and so do its acks', async (t) => {
  const { world, b, link, client } = pair(2)
  const writes = { a: 0, b: 0 }
  const { stream } = b.server.links[0].channel
  const write = stream.write.bind(stream)
  stream.write = (bytes, start, end) => {
    writes.b++
    return write(bytes, start, end)
  }
  // Between two pings, so that only the batch and its ack are counted.
  world.run(30)
  writes.b = 0
  const before = world.network.trace.lines.length
  world.queue.endOfTurn(() => {
    for (let i = 0; i < 64; i++) request(link, 1, 'x'.repeat(150))
  })
  t.ok(world.until(() => client.acked === 64, 60))
  t.equal(writes.b, 1, 'one ack for all')
  const sent = world.network.trace.lines.slice(before).filter((line) => line.startsWith('a:'))
  const bytes = sent.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)
  t.equal(bytes, 24 + 64 * 154, 'one frame')
})

t.test(
  'L2 refused sequences are told before the watermark that covers them, with their reasons',
  async (t) => {
    const { world, b, link, client } = pair(3)
    b.server.acknowledges = false
    for (let i = 1; i <= 10; i++) request(link, 1, `${i}`)
    t.ok(world.until(() => b.server.requests.length === 10))
    const [incoming] = b.server.links
    incoming.refuse(7, 3)
    incoming.refuse(2, 9)
    incoming.acknowledge(8)
    t.ok(world.until(() => client.acked === 8))
    t.same(client.refused, [
      { sequence: 7, reason: 3 },
      { sequence: 2, reason: 9 },
    ])
    t.ok(client.events.indexOf('refused 2') < client.events.indexOf('acked 8'))
    t.throws(() => incoming.refuse(8, 1), 'not below the watermark any more')
    t.throws(() => incoming.acknowledge(7), 'which never falls')
    t.throws(() => incoming.acknowledge(11), 'nor runs ahead')
  },
)

t.test('L2 more refusals than an ack holds come in several, none after its watermark', async (t) => {
  const { world, b, link, client } = pair(4)
  b.server.acknowledges = false
  const count = 10_000
  for (let i = 1; i <= count; i++) request(link, 1, '')
  t.ok(world.until(() => b.server.requests.length === count))
  for (let i = 1; i <= count; i++) b.server.links[0].refuse(i, i % 256)
  b.server.links[0].acknowledge(count)
  t.ok(world.until(() => client.acked === count))
  t.equal(client.refused.length, count)
  t.ok(client.refused.every(({ sequence, reason }) => reason === sequence % 256))
  t.equal(client.events.filter((event) => event.startsWith('acked')).length, 1)
})

t.test('answers are messages the other way, in order', async (t) => {
  const { world, b, link, client } = pair(5)
  b.server.onEach = (incoming, sequence) => request(incoming, 9, `answer to ${sequence}`)
  for (let i = 1; i <= 50; i++) request(link, 1, 'question')
  t.ok(world.until(() => client.answers.length === 50))
  t.same(
    client.answers.map(({ kind, text, sequence }) => [kind, text, sequence]),
    Array.from({ length: 50 }, (_, i) => [9, `answer to ${i + 1}`, i + 1]),
  )
})

t.test(
  'C2 every frame carries its sender’s HLC, told before what is in it, and believed by nobody here',
  async (t) => {
    const { world, a, b, link, client } = pair(6)
    b.node.witnessed.length = 0
    a.node.hlc = 5555
    b.node.hlc = 7777
    let witnessedFirst = false
    b.server.onEach = () => (witnessedFirst = b.node.witnessed.includes(5555))
    request(link, 1, 'x')
    t.ok(world.until(() => client.acked === 1))
    t.ok(witnessedFirst)
    t.equal(b.server.requests[0].hlc, 5555)
    t.ok(a.node.witnessed.includes(7777), 'acks carry it too')
    a.node.hlc = Number.MAX_SAFE_INTEGER
    request(link, 1, 'y')
    t.ok(world.until(() => client.acked === 2))
    t.equal(b.node.witnessed.at(-1), Number.MAX_SAFE_INTEGER)
    t.equal(b.node.hlc, 7777)
  },
)

t.test(
  'P4 the flush mark, the ring and the state of a peer are known before anything else of it',
  async (t) => {
    const world = new LinkWorld(7)
    const a = world.member('a')
    const b = world.member('b')
    a.node.mark = 424242
    a.node.ring = 'ring α'
    a.node.state = Buffer.alloc(16 * 1024, 's')
    b.node.mark = 99
    const { link, client } = world.link(a, 'b')
    client.onConnect = () => request(link, 1, 'first')
    t.ok(world.until(() => client.acked === 1))
    t.same(b.server.events.slice(0, 3), ['judge a', `opened a ${a.node.bootId}`, 'request 1'])
    t.match(b.server.hellos[0], { nodeId: 'a', flushMark: 424242, ringVersion: 'ring α', hlc: 1000 })
    t.ok(b.server.hellos[0].state.equals(a.node.state))
    t.match(client.hellos[0], { nodeId: 'b', flushMark: 99, bootId: b.node.bootId })
  },
)

t.test('a peer whose HELLO is not wanted is told why, and nothing of it is read', async (t) => {
  const world = new LinkWorld(8)
  const a = world.member('a')
  const b = world.member('b')
  b.server.refusal = 'members here: b, c; there: a, b'
  const { link, client } = world.link(a, 'b')
  client.onConnect = () => request(link, 1, 'x')
  world.run(500)
  t.same(b.server.requests, [])
  t.ok((b.links.closeCounts.get('hello-refused') ?? 0) >= 1)
  t.ok(
    a.log.lines.some(({ facts }) => String(facts['detail']).includes('members here: b, c; there: a, b')),
    'with the reason',
  )
  b.server.refusal = null
  t.ok(
    world.until(() => client.acked > 0),
    'later it is',
  )
})

for (const bytes of [INLINE_MESSAGE_BYTES_MAX, INLINE_MESSAGE_BYTES_MAX + 1, 128 * 1024, 3_000_000]) {
  t.test(`a message of ${bytes} bytes comes whole and in its place`, async (t) => {
    const { world, b, link, client } = pair(`large ${bytes}`)
    const value = Buffer.from(Array.from({ length: bytes - 10 }, (_, i) => (i * 7 + (i >> 8)) & 0xff))
    let seen = false
    b.server.onEach = () => {}
    const { onRequest } = b.server
    b.server.onRequest = (...args) => {
      const [, kind, body, start, end] = args
      if (kind === 2) {
        const same = body.compare(value, 0, value.length, start + 10, end) === 0
        seen = same && end - start === bytes && body.toString('latin1', start, start + 10) === 'the header'
      }
      onRequest.apply(b.server, args)
    }
    request(link, 1, 'before')
    const at = link.begin(2, 10, value.length)
    link.bytes.write('the header', at, 'latin1')
    t.equal(link.endWith(at + 10, value, 0, value.length), 2)
    request(link, 3, 'behind')
    t.ok(world.until(() => client.acked === 3))
    t.same(
      b.server.requests.map(({ kind, sequence }) => [kind, sequence]),
      [
        [1, 1],
        [2, 2],
        [3, 3],
      ],
    )
    t.ok(seen, 'byte for byte')
    t.equal(link.unacknowledgedBytes, 0)
  })
}

t.test('pings pass a large message that is on its way', async (t) => {
  const { world, b, link, client } = pair(10, {}, 64 * 1024)
  world.network.delayMsMin = 5
  world.network.delayMsMax = 10
  const value = Buffer.alloc(4_000_000, 'v')
  link.endWith(link.begin(2, 0, value.length), value, 0, value.length)
  // Later than the answer to any ping that was under way before it.
  world.run(200)
  b.node.flags = CATCHING_UP
  t.ok(world.until(() => client.events.includes(`fitness ${CATCHING_UP} `)))
  t.same(b.server.requests, [], 'before the message is there')
  t.ok(world.until(() => client.acked === 1, 60_000))
  t.notOk(client.states.includes('down'))
})

t.test('a peer that never reads is noticed at once, and what waits for it is bounded', async (t) => {
  const limit = 1_000_000
  const { world, b, link, client } = pair(11, { unacknowledgedBytesMax: limit })
  for (const incoming of b.server.links) incoming.pause()
  let taken = 0
  let refused = 0
  for (let turn = 0; turn < 100; turn++) {
    for (let i = 0; i < 100; i++) {
      if (request(link, 1, 'x'.repeat(1000)) === -1) refused++
      else taken++
    }
    world.run(1)
    if (link.unsentBytes > limit || link.unacknowledgedBytes > limit) t.fail('the bound was passed')
  }
  t.ok(taken < 1000 && refused > 9000, `${taken} taken, ${refused} not`)
  t.notOk(link.canSend(1000))
  t.ok(
    world.until(() => client.states.includes('down'), 2000),
    'and counts as down',
  )
  for (const incoming of b.server.links) incoming.resume()
  t.ok(
    world.until(() => client.acked === taken),
    'what was taken still arrives',
  )
  t.ok(link.canSend(1000))
})

t.test('a request alone may be larger than what may be unacknowledged', async (t) => {
  const { world, link, client } = pair(12, { unacknowledgedBytesMax: 10_000 })
  const value = Buffer.alloc(100_000)
  t.equal(link.endWith(link.begin(1, 0, value.length), value, 0, value.length), 1)
  t.equal(link.begin(1, 1), -1)
  t.ok(world.until(() => client.acked === 1))
  t.not(link.begin(1, 1), -1)
})

t.test('who asks and does not read the answers is read no further', async (t) => {
  const { world, a, b, link } = pair(13, {}, 128 * 1024)
  const answer = Buffer.alloc(60_000)
  let answered = 0
  b.server.onEach = (incoming) => {
    const at = incoming.begin(2, answer.length)
    if (at === -1) return
    incoming.endWith(at, answer, 0, answer.length)
    answered++
  }
  // The dialer's stream stops reading.
  const stream = a.links.peers[0]
  t.equal(stream, link)
  world.network.block('b', 'a')
  for (let turn = 0; turn < 200; turn++) {
    for (let i = 0; i < 20; i++) request(link, 1, 'question '.repeat(20))
    world.run(1)
  }
  const held = b.server.links[0].unsentBytes
  t.ok(answered < 4000 && held < 16 * 1024 * 1024, `${answered} answers, ${held} bytes held`)
  world.network.unblock('b', 'a')
  t.ok(world.until(() => answered === 4000 || link.state === 'up'))
})

t.test('a connection that breaks leaves the unacknowledged in doubt, and the next begins at 1', async (t) => {
  const { world, b, link, client } = pair(14)
  b.server.acknowledges = false
  for (let i = 1; i <= 5; i++) request(link, 1, `${i}`)
  t.ok(world.until(() => b.server.requests.length === 5))
  b.server.links[0].acknowledge(3)
  t.ok(world.until(() => client.acked === 3))
  request(link, 1, 'this one never leaves')
  world.network.break('a', 'b')
  t.ok(world.until(() => client.lost.length === 1))
  t.same(client.lost, [{ acked: 3, handed: client.lost[0].handed, last: 6 }])
  t.ok(client.lost[0].handed >= 5)
  t.equal(link.begin(1, 10), -1, 'nothing is taken meanwhile')
  t.ok(world.until(() => link.isOpen))
  t.equal(request(link, 1, 'again'), 1)
  t.ok(world.until(() => b.server.requests.at(-1)?.text === 'again'))
  t.equal(b.server.requests.at(-1)?.sequence, 1)
})

for (const reads of [false, true]) {
  const name = `requests that never left are told apart from those in doubt${reads ? ', of a slow reader' : ''}`
  t.test(name, async (t) => {
    const bytes = reads ? 60_000 : 1000
    const { world, b, link, client } = pair(15, {}, 10 * bytes)
    b.server.links[0].pause()
    for (let turn = 0; turn < 10; turn++) {
      for (let i = 0; i < 10; i++) request(link, 1, 'x'.repeat(bytes))
      world.run(1)
    }
    b.server.acknowledges = false
    if (reads) {
      b.server.links[0].resume()
      world.run(1)
    }
    world.network.break('a', 'b')
    t.ok(world.until(() => client.lost.length === 1))
    const [{ acked, handed, last }] = client.lost
    t.equal(acked, 0)
    t.equal(last, 100)
    t.ok(handed >= 10 && handed < 100, `handed ${handed}`)
    t.equal(b.server.requests.length > 0, reads)
    t.ok(b.server.requests.every(({ sequence }) => sequence <= handed))
  })
}

t.test('dialing backs off to half a second, with jitter', async (t) => {
  const world = new LinkWorld(16)
  const a = world.member('a')
  const { link } = world.link(a, 'b')
  world.run(20_000)
  const attempts = a.links.closeCounts.get('unreachable') ?? 0
  t.ok(attempts >= 40 && attempts <= 80, `${attempts} attempts in 20 s`)
  t.equal(link.state, 'down')
  world.member('b')
  t.ok(world.until(() => link.state === 'up', 750))
})

t.test('whoever dials us is dialed at once, without waiting for the back-off', async (t) => {
  for (const knew of [false, true]) {
    const world = new LinkWorld(`at once ${knew}`)
    const a = world.member('a')
    const { link } = world.link(a, 'b')
    if (knew) {
      const first = world.member('b')
      t.ok(world.until(() => link.state === 'up', 2000))
      first.clock.stop()
      first.host.kill()
    }
    world.run(10_000)
    // Right behind a failed attempt, so that the next one is half a second away at least.
    const attempts = a.links.closeCounts.get('unreachable')
    t.ok(world.until(() => a.links.closeCounts.get('unreachable') !== attempts, 2000))
    world.link(world.member('b'), 'a')
    t.ok(world.until(() => link.state === 'up', 50))
  }
})

t.test('a silent peer is suspicious, then down, within the bound of phi, and comes back up', async (t) => {
  const { world, b, link, client } = pair(17)
  world.run(5000)
  t.same(client.states, ['up'])
  b.clock.pause()
  const stoppedAtMs = world.queue.nowMs
  t.ok(world.until(() => link.state === 'down', 3000))
  const silentMs = world.queue.nowMs - stoppedAtMs
  t.same(client.states, ['up', 'suspicious', 'down'])
  t.ok(silentMs > 300 && silentMs < 1100, `down after ${silentMs} ms`)
  t.ok(link.isOpen, 'the connection is kept for a while')
  world.run(1000)
  b.clock.resume()
  t.ok(world.until(() => link.state === 'up', 500))
  t.same(client.lost, [], 'and nothing was lost')
})

t.test('pings go out at the interval that is set', async (t) => {
  for (const pingIntervalMs of [100, 300, 500]) {
    const { world, b, link } = pair(`interval ${pingIntervalMs}`, { pingIntervalMs })
    const tokens = new Set<number>()
    world.until(() => (tokens.add(link.pingSentAtMs), false), 30_000)
    t.ok(Math.abs(tokens.size - 30_000 / pingIntervalMs) < 4, `${tokens.size} pings in 30 s`)
    t.equal(link.state, 'up')
    b.host.kill()
  }
})

t.test('a peer that stays silent loses its connection', async (t) => {
  const { world, a, b, link, client } = pair(18)
  b.server.acknowledges = false
  request(link, 1, 'x')
  t.ok(world.until(() => b.server.requests.length === 1))
  world.network.partition('a', 'b')
  world.run(SILENT_MS_MAX + 1000)
  t.same(client.lost, [{ acked: 0, handed: 1, last: 1 }])
  t.equal(a.links.closeCounts.get('silent'), 1)
  t.equal(b.links.closeCounts.get('silent'), 1, 'on both sides')
  t.ok(b.server.events.includes(`closed ${a.node.bootId} silent`))
  world.network.heal('a', 'b')
  t.ok(world.until(() => link.state === 'up', 4000))
})

for (const [from, to] of [
  ['a', 'b'],
  ['b', 'a'],
]) {
  t.test(`a one-way partition ${from} to ${to} shows as down`, async (t) => {
    const { world, link, client } = pair(`one way ${from}`)
    world.run(1000)
    world.network.block(from, to)
    t.ok(world.until(() => link.state === 'down', 1500))
    world.network.unblock(from, to)
    t.ok(world.until(() => link.state === 'up', 1500))
    t.same(client.lost, [])
  })
}

t.test('a pause of our own does not make all peers look dead', async (t) => {
  const world = new LinkWorld(19)
  const a = world.member('a')
  const others = ['b', 'c', 'd'].map((name) => {
    world.member(name)
    return world.link(a, name)
  })
  t.ok(world.until(() => others.every(({ link }) => link.state === 'up')))
  world.run(3000)
  a.clock.pause()
  world.run(3000)
  a.clock.resume()
  world.run(2000)
  for (const { client, link } of others) {
    t.same(client.states, ['up'])
    t.ok(link.phi(a.clock.monotonicMs()) < 5)
  }
  t.equal(a.log.of('this process stood still').length, 1)
})

t.test('after a pause of our own, silence counts again from then on', async (t) => {
  // What came during the pause is read before or after the pause is noticed: the seed decides.
  for (let seed = 0; seed < 8; seed++) {
    const { world, b } = pair(`pause and silence ${seed}`)
    world.run(1000)
    b.clock.pause()
    world.run(100)
    world.network.partition('a', 'b')
    world.run(SILENT_MS_MAX - 1000)
    b.clock.resume()
    world.run(SILENT_MS_MAX - 500)
    t.equal(b.server.links.length, 1)
    world.run(1000)
    t.equal(b.links.closeCounts.get('silent'), 1)
  }
})

t.test('C1 the offset of a peer’s clock is found in the middle of the round trip', async (t) => {
  const { world, a, b, link } = pair(20)
  world.network.delayMsMin = 20
  world.network.delayMsMax = 22
  const near = (offsetMs: number): boolean => Math.abs(link.clock.offsetMs - offsetMs) <= 4
  world.run(2000)
  t.ok(link.clock.roundTripMs >= 40)
  t.ok(near(0), `${link.clock.offsetMs}`)
  b.clock.jumpWall(-1234)
  world.run(1000)
  t.ok(near(-1234), `${link.clock.offsetMs}`)
  a.clock.jumpWall(60_000)
  world.run(250)
  t.ok(near(-61_234), `our own jump counts at once: ${link.clock.offsetMs}`)
})

t.test('C1 a peer’s clock that is set while we stand still is not taken for what it was', async (t) => {
  for (let seed = 0; seed < 5; seed++) {
    const { world, a, b, link } = pair(`clock behind a pause ${seed}`)
    b.clock.jumpWall(-60_000)
    world.run(2000)
    a.clock.pause()
    world.run(60_000)
    b.clock.setRight()
    world.run(60_000)
    a.clock.resume()
    t.ok(world.until(() => link.clock.isKnown && a.clock.monotonicMs() > 122_050))
    t.ok(Math.abs(link.clock.offsetMs) <= 4, `${link.clock.offsetMs}`)
  }
})

t.test('H1 fitness and state travel in pings, on a busy link too', async (t) => {
  const { world, a, b, link, client } = pair(21)
  world.run(500)
  b.node.flags = DISK_FULL
  b.node.pings = Buffer.from('oldest hint 17')
  for (let turn = 0; turn < 300; turn++) {
    request(link, 1, 'busy')
    world.run(1)
  }
  t.equal(link.fitness, DISK_FULL)
  t.ok(client.events.includes(`fitness ${DISK_FULL} oldest hint 17`))
  a.node.flags = CATCHING_UP
  world.run(250)
  t.equal(b.server.links[0].fitness, CATCHING_UP)
})

t.test(
  'V6 a newer connection of a node replaces the older one, whose requests are not delivered any more',
  async (t) => {
    const { world, b, link, client } = pair(22)
    b.server.links[0].pause()
    for (let i = 0; i < 10; i++) request(link, 1, 'of the first life')
    world.run(10)
    // The same node starts again: another connection, while the first one still has something to read.
    const second = world.member('a2', {}, 'a')
    const again = world.link(second, 'b')
    t.ok(world.until(() => b.server.events.includes(`opened a ${second.node.bootId}`)))
    t.ok(again.link.isOpen)
    t.equal(b.server.links.length, 1)
    t.equal(b.server.links[0].hello?.bootId, second.node.bootId)
    t.same(b.server.requests, [])
    t.equal(b.links.closeCounts.get('replaced'), 1)
    const { events } = b.server
    t.ok(
      events.indexOf(`closed ${b.server.hellos[0].bootId} replaced`) <
        events.indexOf(`opened a ${second.node.bootId}`),
      'the old one is gone before the new one opens',
    )
    t.ok(
      world.until(() => client.lost.length > 0),
      'and its owner hears of it',
    )
  },
)

t.test('a node that stops says so, and what it wrote before is sent', async (t) => {
  const { world, a, b, link, client } = pair(23)
  // What is sent to a socket that has closed is answered by a reset, which overtakes the goodbye: no ack, and no pong.
  b.server.acknowledges = false
  world.run(40)
  request(link, 1, 'last words')
  void a.links.close()
  t.ok(world.until(() => b.server.requests.length === 1))
  t.ok(world.until(() => b.server.links.length === 0))
  t.equal(b.links.closeCounts.get('refused-by-peer'), 1)
  t.ok(b.log.lines.some(({ facts }) => String(facts['detail']).includes('the node stops')))
  world.run(5000)
  t.notOk(link.isOpen)
  t.equal(client.states.at(-1), 'down')
})

t.test('the same seed gives the same run', async (t) => {
  const run = (seed: number): number => {
    const { world, b, link } = pair(seed)
    for (let turn = 0; turn < 50; turn++) {
      for (let i = 0; i < world.random.below(30); i++) request(link, 1, 'x'.repeat(world.random.below(2000)))
      if (turn === 20) world.network.break('a', 'b')
      if (turn === 30) b.clock.pause()
      if (turn === 40) b.clock.resume()
      world.run(20)
    }
    return world.network.trace.hash
  }
  t.equal(run(1), run(1))
  t.not(run(1), run(2))
})

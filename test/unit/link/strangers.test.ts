/** Who connects to the peer port without knowing the secret: gets nothing, keeps nothing, costs nothing. */
import t from 'tap'
import { CHALLENGE, OPEN, openFrame } from '../../../src/link/handshake-frame.js'
import {
  HANDSHAKE_DEADLINE_MS,
  HANDSHAKE_FRAME_BYTES_MAX,
  UNAUTHENTICATED_MAX,
} from '../../../src/link/limits.js'
import type { Stream } from '../../../src/env/network.js'
import { LinkWorld, PORT } from './link-world.js'

const VERSIONS = { min: 1, max: 3 }

t.test('wrong secrets keep nodes apart, and both sides say why', async (t) => {
  const world = new LinkWorld(1)
  const a = world.member('a', { secret: 'one' })
  const b = world.member('b', { secret: 'another' })
  const { link, client } = world.link(a, 'b')
  world.run(3000)
  t.equal(link.state, 'down')
  t.same(client.hellos, [])
  t.same(b.server.hellos, [])
  t.ok((a.links.closeCounts.get('secret') ?? 0) > 1)
  t.ok((b.links.closeCounts.get('secret') ?? 0) > 1)
  t.match(b.log.of('a connection to the peer port was refused')[0].facts, {
    reason: 'secret',
    detail: 'the cluster secrets differ',
    peer: 'a',
  })
  t.ok(b.log.lines.length <= 5, 'not for each attempt')
})

t.test('an own address dialed by mistake is refused and said', async (t) => {
  const world = new LinkWorld(2)
  const a = world.member('a')
  const { link } = world.link(a, 'a')
  world.run(1000)
  t.equal(link.state, 'down')
  t.ok(a.log.lines.some(({ facts }) => String(facts['detail']).includes('node a dialed itself')))
})

/** Somebody who connects to b and speaks for himself. */
function stranger(world: LinkWorld, name: string) {
  const host = world.network.host(name, world.member(`${name} clock`).clock)
  const state = { stream: null as Stream | null, closed: false, got: Buffer.alloc(0) }
  host.dial('b', PORT, 1000, {
    onConnected: (stream) => {
      state.stream = stream
      return {
        onBytes: (bytes, length) => (state.got = Buffer.concat([state.got, bytes.subarray(0, length)])),
        nextBuffer: () => null,
        onDrain: () => {},
        onEnd: () => stream.end(),
        onClose: () => (state.closed = true),
      }
    },
    onFailed: () => (state.closed = true),
  })
  world.until(() => state.stream !== null || state.closed)
  return state
}

function say(state: ReturnType<typeof stranger>, bytes: Buffer): void {
  state.stream?.write(bytes, 0, bytes.length)
}

t.test('garbage is refused by its first three bytes, without an answer', async (t) => {
  const world = new LinkWorld(3)
  const b = world.member('b')
  const tls = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n'), tls, Buffer.from('*1\r\n$4\r\nPING\r\n')]) {
    const visitor = stranger(world, 'x')
    say(visitor, bytes.subarray(0, 3))
    t.ok(
      world.until(() => visitor.closed, 1000),
      bytes.toString('latin1', 0, 3),
    )
    t.equal(visitor.got.length, 0)
  }
  t.equal(b.links.closeCounts.get('garbage'), 3)
})

t.test('an oversized handshake frame is refused by its length', async (t) => {
  const world = new LinkWorld(4)
  const b = world.member('b')
  const visitor = stranger(world, 'x')
  const tooLong = HANDSHAKE_FRAME_BYTES_MAX + 1
  say(visitor, Buffer.from([tooLong & 0xff, tooLong >> 8, OPEN]))
  t.ok(world.until(() => visitor.closed, 1000))
  t.equal(b.links.closeCounts.get('garbage'), 1)
})

t.test('who connects and says too little has two seconds', async (t) => {
  const world = new LinkWorld(5)
  const b = world.member('b')
  const silent = stranger(world, 'x')
  const slow = stranger(world, 'y')
  say(slow, openFrame({ versions: VERSIONS, nonce: Buffer.alloc(32), nodeId: 'y' }).subarray(0, 20))
  world.run(HANDSHAKE_DEADLINE_MS - 500)
  t.notOk(silent.closed || slow.closed)
  t.ok(world.until(() => silent.closed && slow.closed, 1000))
  t.equal(b.links.closeCounts.get('deadline'), 2)
})

t.test('so many strangers at a time and no more; those who proved themselves do not count', async (t) => {
  const world = new LinkWorld(6)
  const a = world.member('a')
  const b = world.member('b')
  const { link } = world.link(a, 'b')
  world.until(() => link.state === 'up')
  const visitors = Array.from({ length: UNAUTHENTICATED_MAX + 5 }, (_, i) => stranger(world, `x${i}`))
  t.ok(world.until(() => visitors.filter(({ closed }) => closed).length === 5, 1000))
  t.equal(b.links.closeCounts.get('crowded'), 5)
  t.equal(link.state, 'up')
  t.ok(world.until(() => visitors.every(({ closed }) => closed), 5000))
})

t.test('a handshake replayed from the wire opens nothing', async (t) => {
  const world = new LinkWorld(7)
  const b = world.member('b')
  const spoken: Buffer[] = []
  const a = world.member('a')
  const dial = a.host.dial.bind(a.host)
  a.host.dial = (host, port, timeoutMs, handler) =>
    dial(host, port, timeoutMs, {
      ...handler,
      onFailed: (why) => handler.onFailed(why),
      onConnected: (stream) => {
        const write = stream.write.bind(stream)
        stream.write = (bytes, start, end) => {
          spoken.push(Buffer.from(bytes.subarray(start, end)))
          return write(bytes, start, end)
        }
        return handler.onConnected(stream)
      },
    })
  const { client } = world.link(a, 'b')
  t.ok(world.until(() => client.states.includes('up') && b.server.links.length === 1))
  const opened = b.server.events.filter((event) => event.startsWith('opened')).length
  const visitor = stranger(world, 'x')
  say(visitor, Buffer.concat(spoken))
  t.ok(world.until(() => visitor.closed, 3000))
  t.equal(b.links.closeCounts.get('secret'), 1)
  t.equal(b.server.events.filter((event) => event.startsWith('opened')).length, opened)
})

t.test('the pieces of a handshake may come byte by byte', async (t) => {
  const world = new LinkWorld(8)
  const b = world.member('b')
  const visitor = stranger(world, 'x')
  const open = openFrame({ versions: { min: 1, max: 1 }, nonce: Buffer.alloc(32, 3), nodeId: 'x' })
  for (const byte of open) {
    say(visitor, Buffer.from([byte]))
    world.run(2)
  }
  t.ok(world.until(() => visitor.got.length > 0, 1000))
  t.equal(visitor.got[2], CHALLENGE)
  t.same(b.server.hellos, [])
})

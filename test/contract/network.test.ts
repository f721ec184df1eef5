/** What every implementation of Network promises: the real sockets and the simulated ones. */
import t from 'tap'
import { NodeNetwork } from '../../src/env/node-network.js'
import type { Network, Stream, StreamHandler } from '../../src/env/network.js'
import { EventQueue } from '../../src/sim/event-queue.js'
import { SimClock } from '../../src/sim/sim-clock.js'
import { SimNetwork } from '../../src/sim/sim-network.js'
import { SimRandom } from '../../src/sim/sim-random.js'
import { until } from '../support/until.js'

interface World {
  readonly network: Network
  /** Waits, in the network's own time. */
  when(what: string, condition: () => boolean): Promise<void>
}

const HOST = '127.0.0.1'

const implementations: Readonly<Record<string, () => World>> = {
  NodeNetwork: () => ({
    network: new NodeNetwork({ keepAliveSeconds: 0, backlog: 64 }),
    when: async (what, condition) => void (await until(what, condition)),
  }),
  SimNetwork: () => {
    const random = new SimRandom('contract')
    const queue = new EventQueue(random)
    const network = new SimNetwork({ random, queue }).host(HOST, new SimClock(queue))
    const when = async (what: string, condition: () => boolean): Promise<void> => {
      if (!(await queue.until(condition, 20_000))) throw new Error(`still not: ${what}`)
    }
    return { network, when }
  },
}

/** One end, which keeps what comes and closes when the other does. */
class End implements StreamHandler {
  readonly stream: Stream
  readonly calls: string[] = []
  got: Buffer = Buffer.alloc(0)
  own: Buffer | null = null

  constructor(stream: Stream) {
    this.stream = stream
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.calls.at(-1) !== 'bytes') this.calls.push('bytes')
    this.got = Buffer.concat([this.got, bytes.subarray(0, length)])
  }

  nextBuffer(): Buffer | null {
    return this.own
  }

  onDrain(): void {
    this.calls.push('drain')
  }

  onEnd(): void {
    this.calls.push('end')
    this.stream.end()
  }

  onClose(): void {
    this.calls.push('close')
  }

  get isClosed(): boolean {
    return this.calls.includes('close')
  }

  say(text: string | Buffer): boolean {
    const bytes = Buffer.from(text)
    return this.stream.write(bytes, 0, bytes.length)
  }
}

for (const [name, make] of Object.entries(implementations)) {
  const connected = async (world: World) => {
    const accepted: End[] = []
    const listener = await world.network.listen(HOST, 0, (stream) => {
      const end = new End(stream)
      accepted.push(end)
      return end
    })
    const dialed: End[] = []
    world.network.dial(HOST, listener.port, 5000, {
      onConnected: (stream) => {
        const end = new End(stream)
        dialed.push(end)
        return end
      },
      onFailed: (reason) => {
        throw new Error(reason)
      },
    })
    await world.when('connected', () => accepted.length === 1 && dialed.length === 1)
    return { listener, near: dialed[0], far: accepted[0] }
  }

  t.test(`${name}: both ends of a dialed connection know each other`, async (t) => {
    const world = make()
    const { listener, near, far } = await connected(world)
    t.equal(near.stream.remoteAddress, HOST)
    t.equal(near.stream.remotePort, listener.port)
    t.equal(far.stream.localPort, listener.port)
    t.equal(near.stream.localPort, far.stream.remotePort)
    near.stream.destroy()
    await world.when('closed', () => near.isClosed && far.isClosed)
    await listener.close()
  })

  t.test(`${name}: bytes come whole and in order, both ways`, async (t) => {
    const world = make()
    const { listener, near, far } = await connected(world)
    for (let i = 0; i < 200; i++) {
      near.say(`${i},`)
      far.say(`${-i},`)
    }
    const expected = Array.from({ length: 200 }, (_, i) => i)
    const ping = expected.map((i) => `${i},`).join('')
    const pong = expected.map((i) => `${-i},`).join('')
    await world.when('all there', () => far.got.length === ping.length && near.got.length === pong.length)
    t.equal(far.got.toString(), ping)
    t.equal(near.got.toString(), pong)
    near.stream.end()
    await world.when('closed', () => near.isClosed && far.isClosed)
    await listener.close()
  })

  t.test(`${name}: both ends may write before their handlers are known`, async (t) => {
    const world = make()
    const ends: End[] = []
    const greet = (text: string) => (stream: Stream) => {
      const end = new End(stream)
      end.say(text)
      ends.push(end)
      return end
    }
    const listener = await world.network.listen(HOST, 0, greet('from the listener'))
    const onFailed = (reason: string): void => {
      t.fail(reason)
    }
    world.network.dial(HOST, listener.port, 5000, { onConnected: greet('from the dialer'), onFailed })
    await world.when('both greeted', () => ends.length === 2 && ends.every((end) => end.got.length >= 15))
    await world.when('whole', () => ends.reduce((sum, end) => sum + end.got.length, 0) === 32)
    ends[0].stream.end()
    await world.when('closed', () => ends.every((end) => end.isClosed))
    await listener.close()
  })

  t.test(`${name}: what the other end has not taken is kept, counted, and followed by a drain`, async (t) => {
    const world = make()
    const { listener, near, far } = await connected(world)
    far.stream.pause()
    const chunk = Buffer.alloc(1_000_000, 'x')
    let chunks = 1
    while (near.say(chunk) && chunks < 100) chunks++
    t.ok(chunks < 100, 'at some point the kernel takes no more')
    t.ok(near.stream.unsentBytes() > 0)
    t.notOk(near.calls.includes('drain'))
    far.stream.resume()
    await world.when('all read', () => far.got.length === chunks * chunk.length)
    await world.when('a drain', () => near.calls.includes('drain'))
    t.equal(near.stream.unsentBytes(), 0)
    t.equal(near.calls.filter((call) => call === 'drain').length, 1)
    near.stream.end()
    await world.when('closed', () => near.isClosed && far.isClosed)
    await listener.close()
  })

  t.test(`${name}: a handler may say where the next bytes go`, async (t) => {
    const world = make()
    const { listener, near, far } = await connected(world)
    near.say('first ')
    await world.when('the first', () => far.got.length === 6)
    const own = Buffer.alloc(16)
    far.own = own
    // The answer counts from the read after the next one on: it is asked for after each.
    near.say('second')
    await world.when('the second', () => far.got.length === 12)
    near.say('third!')
    await world.when('the third', () => far.got.length === 18)
    t.equal(own.toString('latin1', 0, 6), 'third!')
    t.equal(far.got.toString(), 'first secondthird!')
    near.stream.end()
    await world.when('closed', () => near.isClosed && far.isClosed)
    await listener.close()
  })

  t.test(
    `${name}: end() sends everything first; the other end hears of it after the last byte`,
    async (t) => {
      const world = make()
      const { listener, near, far } = await connected(world)
      const bytes = Buffer.alloc(3_000_000, 'y')
      near.say(bytes)
      near.stream.end()
      near.say('too late')
      await world.when('closed', () => near.isClosed && far.isClosed)
      t.equal(far.got.length, bytes.length)
      t.same(far.calls, ['bytes', 'end', 'close'])
      t.same(
        near.calls.filter((call) => call !== 'drain'),
        ['close'],
      )
      await listener.close()
    },
  )

  t.test(`${name}: destroy() closes both ends, once each, and calls after it are harmless`, async (t) => {
    const world = make()
    const { listener, near, far } = await connected(world)
    near.stream.destroy()
    near.stream.destroy()
    near.say('nothing')
    near.stream.end()
    near.stream.pause()
    near.stream.resume()
    await world.when('closed', () => near.isClosed && far.isClosed)
    t.equal(near.calls.filter((call) => call === 'close').length, 1)
    t.equal(far.calls.filter((call) => call === 'close').length, 1)
    t.equal(far.got.length, 0)
    await listener.close()
  })

  t.test(`${name}: where nobody listens dialing fails, with the reason`, async (t) => {
    const world = make()
    const listener = await world.network.listen(HOST, 0, (stream) => new End(stream))
    await listener.close()
    let reason = ''
    world.network.dial(HOST, listener.port, 5000, {
      onConnected: (stream) => new End(stream),
      onFailed: (why) => (reason = why),
    })
    t.equal(reason, '', 'later, not from within the call')
    await world.when('failed', () => reason !== '')
    t.equal(reason, 'ECONNREFUSED')
  })

  t.test(`${name}: a dial that was given up calls nobody`, async (t) => {
    const world = make()
    const accepted: End[] = []
    const listener = await world.network.listen(HOST, 0, (stream) => {
      const end = new End(stream)
      accepted.push(end)
      return end
    })
    const calls: string[] = []
    const handler = {
      onConnected: (stream: Stream) => {
        calls.push('connected')
        return new End(stream)
      },
      onFailed: () => void calls.push('failed'),
    }
    world.network.dial(HOST, listener.port, 5000, handler).cancel()
    let later: End | null = null
    world.network.dial(HOST, listener.port, 5000, {
      ...handler,
      onConnected: (stream) => (later = new End(stream)),
    })
    await world.when('the later one is there', () => later !== null && accepted.length > 0)
    t.same(calls, [])
    const end = later as unknown as End
    end.stream.destroy()
    await world.when('closed', () => accepted.every((one) => one.isClosed) && end.isClosed)
    await listener.close()
  })

  t.test(`${name}: a port that is taken is refused`, async (t) => {
    const world = make()
    const listener = await world.network.listen(HOST, 0, (stream) => new End(stream))
    await t.rejects(
      world.network.listen(HOST, listener.port, (stream) => new End(stream)),
      { code: 'EADDRINUSE' },
    )
    await listener.close()
  })
}

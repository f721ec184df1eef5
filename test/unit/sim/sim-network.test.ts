/** What the simulated network does on request: delays, blocks one way and both, resets, crashes, pauses, all by the seed. */
import t from 'tap'
import type { Stream, StreamHandler } from '../../../src/env/network.js'
import { EventQueue } from '../../../src/sim/event-queue.js'
import { SimClock } from '../../../src/sim/sim-clock.js'
import { SimNetwork } from '../../../src/sim/sim-network.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

const PORT = 1

interface Heard {
  got: string
  ended: boolean
  closed: boolean
  failed: string
  stream: Stream | null
}

function world(seed: number | string) {
  const random = new SimRandom(seed)
  const queue = new EventQueue(random)
  const network = new SimNetwork({ random, queue, delayMsMin: 1, delayMsMax: 3 })
  const clocks = { a: new SimClock(queue), b: new SimClock(queue) }
  const a = network.host('a', clocks.a)
  const b = network.host('b', clocks.b)
  const far = heard()
  void b.listen('b', PORT, (stream) => handlerOf(far, stream))
  const dial = (): Heard => {
    const near = heard()
    a.dial('b', PORT, 1000, {
      onConnected: (stream) => handlerOf(near, stream),
      onFailed: (reason) => (near.failed = reason),
    })
    return near
  }
  return { queue, network, a, b, clocks, far, dial }
}

function heard(): Heard {
  return { got: '', ended: false, closed: false, failed: '', stream: null }
}

function handlerOf(heard: Heard, stream: Stream): StreamHandler {
  heard.stream = stream
  return {
    onBytes: (bytes, length) => (heard.got += bytes.toString('latin1', 0, length)),
    nextBuffer: () => null,
    onDrain: () => {},
    onEnd: () => {
      heard.ended = true
      stream.end()
    },
    onClose: () => (heard.closed = true),
  }
}

function say({ stream }: Heard, text: string): void {
  stream?.write(Buffer.from(text), 0, text.length)
}

t.test('what was sent while the way was blocked arrives when it is free, in order', async (t) => {
  const { queue, network, far, dial } = world(1)
  const near = dial()
  queue.advanceSync(20)
  network.block('a', 'b')
  say(near, 'one ')
  say(far, 'back')
  queue.advanceSync(5000)
  say(near, 'two')
  t.equal(far.got, '')
  t.equal(near.got, 'back', 'the other way is free')
  network.unblock('a', 'b')
  queue.advanceSync(100)
  t.equal(far.got, 'one two')
})

t.test('through a partition nobody connects, and dialing ends by its timeout', async (t) => {
  const { queue, network, dial } = world(2)
  network.block('b', 'a')
  const near = dial()
  queue.advanceSync(999)
  t.equal(near.failed, '')
  queue.advanceSync(2)
  t.equal(near.failed, 'ETIMEDOUT')
})

t.test('a break resets both ends', async (t) => {
  const { queue, network, far, dial } = world(3)
  const near = dial()
  queue.advanceSync(20)
  network.break('b', 'a')
  queue.advanceSync(1)
  t.ok(near.closed && far.closed)
  t.notOk(near.ended || far.ended)
})

t.test('a close does not get through a partition; what is sent later is answered by a reset', async (t) => {
  const { queue, network, far, dial } = world(4)
  const near = dial()
  queue.advanceSync(20)
  network.partition('a', 'b')
  near.stream?.destroy()
  queue.advanceSync(1000)
  t.ok(near.closed)
  t.notOk(far.closed || far.ended)
  network.heal('a', 'b')
  queue.advanceSync(20)
  t.ok(far.ended && far.closed)
})

t.test('a host that is killed hears nothing more, the other one is reset', async (t) => {
  const { queue, b, clocks, far, dial } = world(5)
  const near = dial()
  queue.advanceSync(20)
  clocks.b.stop()
  b.kill()
  queue.advanceSync(20)
  t.ok(near.closed)
  t.notOk(far.closed)
  const again = dial()
  queue.advanceSync(20)
  t.equal(again.failed, 'ECONNREFUSED')
})

t.test('a paused host hears everything when it goes on', async (t) => {
  const { queue, clocks, far, dial } = world(6)
  const near = dial()
  queue.advanceSync(20)
  clocks.b.pause()
  say(near, 'while you slept')
  queue.advanceSync(60_000)
  t.equal(far.got, '')
  clocks.b.resume()
  queue.advanceSync(20)
  t.equal(far.got, 'while you slept')
})

t.test('the reader’s buffer is overwritten after each call, and the writer’s is read late', async (t) => {
  const random = new SimRandom(7)
  const queue = new EventQueue(random)
  const network = new SimNetwork({ random, queue, windowBytes: 4 })
  const clock = new SimClock(queue)
  const kept: Buffer[] = []
  void network.host('b', clock).listen('b', PORT, () => ({
    onBytes: (bytes, length) => kept.push(bytes.subarray(0, length)),
    nextBuffer: () => null,
    onDrain: () => {},
    onEnd: () => {},
    onClose: () => {},
  }))
  const near = heard()
  network.host('a', clock).dial('b', PORT, 100, {
    onConnected: (stream) => handlerOf(near, stream),
    onFailed: () => {},
  })
  queue.advanceSync(10)
  const bytes = Buffer.from('12345678')
  t.equal(near.stream?.write(bytes, 0, 8), false)
  t.equal(near.stream?.unsentBytes(), 4)
  bytes.fill('x')
  queue.advanceSync(10)
  t.ok(kept.length >= 2)
  t.ok(kept.every((chunk) => chunk.every((byte) => byte === 0xdd)))
})

t.test('the same seed gives the same trace', async (t) => {
  const run = (seed: number): number => {
    const { queue, network, far, dial } = world(seed)
    const near = dial()
    for (let i = 0; i < 50; i++) {
      queue.advanceSync(1)
      say(near, 'x'.repeat(i))
      say(far, 'y'.repeat(50 - i))
    }
    queue.advanceSync(100)
    return network.trace.hash
  }
  t.equal(run(1), run(1))
  t.not(run(1), run(2))
})

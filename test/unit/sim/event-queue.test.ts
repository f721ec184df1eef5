/** Virtual time and its turns: what code may rely on under a real event loop holds here too. */
import t from 'tap'
import { EventQueue } from '../../../src/sim/event-queue.js'
import { SimClock } from '../../../src/sim/sim-clock.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

function queueOf(seed: number): EventQueue {
  return new EventQueue(new SimRandom(seed))
}

t.test('events run in order of time, at their time', async (t) => {
  const queue = queueOf(1)
  const seen: string[] = []
  for (const delayMs of [30, 10, 20.5]) queue.schedule(delayMs, () => seen.push(`${delayMs}@${queue.nowMs}`))
  queue.advanceSync(25)
  t.same(seen, ['10@10', '20.5@20.5'])
  t.equal(queue.nowMs, 25)
  t.equal(queue.waiting, 1)
  queue.advanceSync(5)
  t.same(seen, ['10@10', '20.5@20.5', '30@30'])
})

t.test('thousands of events come out sorted', async (t) => {
  const queue = queueOf(2)
  const random = new SimRandom(2)
  let last = 0
  let ran = 0
  for (let i = 0; i < 5_000; i++) {
    queue.schedule(random.below(1_000), () => {
      if (queue.nowMs < last) t.fail('time went back')
      last = queue.nowMs
      ran++
    })
  }
  while (queue.stepSync());
  t.equal(ran, 5_000)
  t.equal(queue.waiting, 0)
})

t.test('events of one instant run in an order that the seed decides', async (t) => {
  const orderOf = (seed: number): string => {
    const queue = queueOf(seed)
    let order = ''
    for (const name of 'abcd') queue.schedule(1, () => (order += name))
    queue.advanceSync(1)
    return order
  }
  t.equal(orderOf(1), orderOf(1))
  t.ok(new Set(Array.from({ length: 20 }, (_, seed) => orderOf(seed))).size > 5)
})

t.test('a cancelled event does not run, and cancelling late or twice is harmless', async (t) => {
  const queue = queueOf(3)
  const cancelled = queue.schedule(1, () => t.fail('cancelled'))
  const ran = queue.schedule(2, () => {})
  cancelled.cancel()
  cancelled.cancel()
  t.equal(queue.waiting, 1)
  queue.advanceSync(5)
  ran.cancel()
  t.equal(queue.waiting, 0)
  t.equal(queue.stepSync(), false)
})

t.test('the end of the turn comes after all input of the turn and before later time', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const queue = queueOf(seed)
    const order: string[] = []
    for (const name of ['a', 'b']) {
      queue.schedule(1, () => {
        order.push(name)
        queue.endOfTurn(() => order.push(`end of ${name}`))
      })
    }
    queue.schedule(2, () => order.push('later'))
    queue.advanceSync(3)
    t.same(order.slice(0, 2).sort(), ['a', 'b'])
    t.same(order.slice(2), [`end of ${order[0]}`, `end of ${order[1]}`, 'later'])
  }
})

t.test('a turn hands out several events that lie close together, under some seeds', async (t) => {
  const shapes = new Set<string>()
  for (let seed = 0; seed < 50; seed++) {
    const queue = queueOf(seed)
    let shape = ''
    for (const delayMs of [1, 1.05]) {
      queue.schedule(delayMs, () => {
        shape += 'event '
        queue.endOfTurn(() => (shape += 'end '))
      })
    }
    queue.advanceSync(3)
    shapes.add(shape)
  }
  t.same([...shapes].sort(), ['event end event end ', 'event event end end '])
})

t.test('what is asked for at the end of a turn belongs to the next, without waiting for time', async (t) => {
  const queue = queueOf(4)
  const order: string[] = []
  queue.endOfTurn(() => {
    order.push('first')
    queue.endOfTurn(() => order.push(`second@${queue.nowMs}`))
  })
  queue.schedule(10, () => order.push('timer'))
  queue.advanceSync(20)
  t.same(order, ['first', 'second@0', 'timer'])
})

t.test('the asynchronous calls let microtasks run between events', async (t) => {
  const queue = queueOf(5)
  const order: string[] = []
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void queue.schedule(ms, resolve))
  const walk = async (name: string): Promise<void> => {
    for (let i = 1; i <= 2; i++) {
      await sleep(10)
      order.push(`${name}${i}@${queue.nowMs}`)
    }
  }
  void walk('a')
  await queue.advance(5)
  void walk('b')
  t.equal(await queue.until(() => order.length === 4, 1_000), true)
  t.same(order, ['a1@10', 'b1@15', 'a2@20', 'b2@25'])
  t.equal(await queue.until(() => false, 1_000), false, 'nothing is left to run')
})

t.test("a node's wall clock can jump while its monotonic clock and timers do not", async (t) => {
  const queue = queueOf(6)
  const clock = new SimClock(queue)
  const start = clock.wallMs()
  t.ok(Number.isInteger(start))
  let fired = false
  clock.after(50, () => (fired = true))
  clock.jumpWall(-10_000)
  queue.advanceSync(20.7)
  t.equal(clock.wallMs(), start - 10_000 + 20)
  t.equal(clock.monotonicMs(), 20.7)
  t.equal(fired, false)
  queue.advanceSync(30)
  t.equal(fired, true)
})

t.test('a stopped clock runs nothing any more', async (t) => {
  const queue = queueOf(7)
  const clock = new SimClock(queue)
  clock.after(1, () => t.fail('timer of a dead node'))
  clock.endOfTurn(() => t.fail('end of turn of a dead node'))
  clock.stop()
  queue.advanceSync(10)
  t.equal(queue.waiting, 0)
})

/** The real clock: what can be said of it without measuring time. */
import t from 'tap'
import { NodeClock } from '../../../src/env/node-clock.js'

const clock = new NodeClock()

t.test(
  'the wall clock counts whole milliseconds since 1970 and the monotonic one never goes back',
  async (t) => {
    t.ok(Number.isInteger(clock.wallMs()))
    t.ok(clock.wallMs() > Date.UTC(2025, 0, 1))
    let last = clock.monotonicMs()
    for (let i = 0; i < 1_000; i++) {
      const now = clock.monotonicMs()
      if (now < last) t.fail(`${now} after ${last}`)
      last = now
    }
  },
)

/** The loop stays alive only as long as something is referenced; timers of ours are not. */
function keepAlive(t: { teardown(task: () => void): void }): void {
  const handle = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(handle))
}

t.test('a timer fires once', async (t) => {
  keepAlive(t)
  let fired = 0
  await new Promise<void>((resolve) => {
    clock.after(0, () => {
      fired++
      clock.after(5, resolve)
    })
  })
  t.equal(fired, 1)
})

t.test('a cancelled timer does not fire', async (t) => {
  keepAlive(t)
  const timer = clock.after(0, () => t.fail('cancelled'))
  timer.cancel()
  timer.cancel()
  await new Promise<void>((resolve) => clock.after(2, resolve))
  t.pass()
})

t.test('a delay beyond what Node can count does not fire at once', async (t) => {
  keepAlive(t)
  const timer = clock.after(2 ** 40, () => t.fail('too early'))
  await new Promise<void>((resolve) => clock.after(2, resolve))
  timer.cancel()
  t.pass()
})

t.test('the end of the turn comes after microtasks, in the order of asking', async (t) => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    clock.endOfTurn(() => order.push('first'))
    clock.endOfTurn(() => {
      order.push('second')
      resolve()
    })
    void Promise.resolve().then(() => order.push('microtask'))
    order.push('now')
  })
  t.same(order, ['now', 'microtask', 'first', 'second'])
})

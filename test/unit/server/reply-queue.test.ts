/** What a connection holds of replies that come from other nodes, larger than anybody could know beforehand. */
import t from 'tap'
import { FORWARDED, OperationTable, QUEUED, SET_ASIDE } from '../../../src/coordinator/operation.js'
import type { Operation } from '../../../src/coordinator/operation.js'
import { OUTPUT_PAUSE_BYTES } from '../../../src/resp/limits.js'
import { REPLY_BYTES_MAX, ReplyQueue } from '../../../src/server/reply-queue.js'

const MB = 1024 * 1024
const REPLY = Buffer.alloc(MB)
const FIT = REPLY_BYTES_MAX / MB

class World {
  readonly table = new OperationTable()
  unsentBytes = 0
  readonly again: Operation[] = []
  readonly queue = new ReplyQueue(
    this.table,
    () => {},
    () => this.unsentBytes,
  )

  forwarded(count: number): Operation[] {
    return Array.from({ length: count }, () => {
      const operation = this.table.take(this.queue, FORWARDED, 0)
      this.queue.push(operation)
      return operation
    })
  }

  /** The reply comes, as the coordinator takes it. */
  reply(operation: Operation): void {
    if (!this.queue.takes(operation, MB)) return this.table.setAside(operation)
    operation.keepReply(REPLY, 0, MB)
    this.table.settle(operation)
  }

  runSetAside(): void {
    this.again.length = 0
    this.queue.runSetAside((operation) => {
      this.table.takeBack(operation, 0)
      this.again.push(operation)
    })
  }
}

t.test('of replies that come before the first, no more are kept than REPLY_BYTES_MAX', (t) => {
  const world = new World()
  const all = world.forwarded(100)
  for (const operation of all.slice(1)) world.reply(operation)
  t.equal(world.queue.bytes, REPLY_BYTES_MAX)
  t.equal(all.filter(({ state }) => state === SET_ASIDE).length, 99 - FIT)
  t.equal(world.table.underWay, 1, 'what was set aside has no time limit')
  world.reply(all[0])
  t.equal(world.queue.bytes, REPLY_BYTES_MAX + MB, 'the first one is always taken, or nothing would leave')

  world.runSetAside()
  t.same(world.again, [], 'nothing has left yet')
  for (let i = 0; i < 3; i++) world.queue.shift()
  world.runSetAside()
  t.same(world.again, all.slice(1 + FIT, 3 + FIT), 'as many as there is room for, in their order')
  t.equal(world.again[0].state, QUEUED)
  world.runSetAside()
  t.same(world.again, [], 'and for those that are under way again their room is kept')

  let left = all.length - 3
  while (left > 0) {
    world.runSetAside()
    for (const operation of all) {
      if (operation.state !== QUEUED) continue
      operation.state = FORWARDED
      world.reply(operation)
    }
    t.ok(world.queue.bytes <= REPLY_BYTES_MAX + MB)
    t.not(world.queue.ready, null, 'the first reply is there')
    world.queue.shift()
    left--
  }
  t.equal(world.queue.bytes, 0)
  t.equal(world.table.underWay, 0)
  t.end()
})

t.test('while the client takes nothing, not even the first reply is kept', (t) => {
  const world = new World()
  const [first] = world.forwarded(2)
  world.unsentBytes = OUTPUT_PAUSE_BYTES
  world.reply(first)
  t.equal(first.state, SET_ASIDE)
  world.runSetAside()
  t.same(world.again, [])
  world.unsentBytes = 0
  world.runSetAside()
  t.same(world.again, [first])
  t.end()
})

t.test('what is set aside when its connection closes is given back', (t) => {
  const world = new World()
  const [, ...others] = world.forwarded(FIT + 3)
  for (const operation of others) world.reply(operation)
  world.queue.drop()
  t.equal(world.table.underWay, 1)
  t.same(
    others.map(({ state }) => state),
    others.map(() => 0),
    'free',
  )
  t.end()
})

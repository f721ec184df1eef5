import t from 'tap'
import { AckTracker, UNSETTLED } from '../../../src/coordinator/ack-tracker.js'
import { Seeded } from '../../support/seeded.js'

t.test('L1 the watermark is the last request before the first that must wait', async (t) => {
  const acks = new AckTracker()
  acks.add(1, 5)
  acks.add(2, UNSETTLED)
  acks.add(3, 4)
  t.equal(acks.advance(4), 0)
  t.equal(acks.advance(9), 1)
  acks.settle(2, 10)
  t.equal(acks.advance(9), 1)
  t.equal(acks.advance(10), 3)
})

t.test('sequences that were not told need nothing', async (t) => {
  const acks = new AckTracker()
  acks.add(4, 1)
  t.equal(acks.advance(0), 3)
  acks.add(9, 0)
  t.equal(acks.advance(1), 9)
})

t.test('what is applied and not durable is known', async (t) => {
  const acks = new AckTracker()
  acks.add(1, UNSETTLED)
  t.notOk(acks.needsMoreThan(0))
  acks.add(2, 7)
  t.ok(acks.needsMoreThan(6))
  t.notOk(acks.needsMoreThan(7))
})

t.test('however many are in flight, it says what a list would', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Seeded(seed)
    const acks = new AckTracker()
    const needs: number[] = []
    let watermark = 0
    let durable = 0
    for (let step = 0; step < 2000; step++) {
      if (random.chance(3)) {
        needs.push(random.chance(4) ? UNSETTLED : durable + random.below(20))
        acks.add(needs.length, needs[needs.length - 1])
      }
      const open = needs.indexOf(UNSETTLED)
      if (open >= 0 && random.chance(6)) {
        needs[open] = durable + random.below(5)
        acks.settle(open + 1, needs[open])
      }
      if (random.chance(10)) durable += random.below(8)
      while (watermark < needs.length && needs[watermark] <= durable) watermark++
      if (acks.advance(durable) !== watermark) t.fail(`seed ${seed}, step ${step}`)
    }
    t.ok(watermark > 0)
  }
})

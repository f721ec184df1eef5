import t from 'tap'
import { DeliveryCheckpoints } from '../../../src/repair/delivery-checkpoints.js'
import { MissedSequences } from '../../../src/repair/missed-sequences.js'
import { Seeded } from '../../support/seeded.js'

function listed(missed: MissedSequences, upTo: number): number[] {
  return Array.from({ length: upTo }, (_, sequence) => sequence).filter((sequence) => missed.has(sequence))
}

t.test('ranges hold what was added and not yet dealt with, whatever the order', async (t) => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = new Seeded(seed)
    const missed = new MissedSequences()
    const model = new Set<number>()
    let done = 0
    for (let step = 0; step < 40; step++) {
      const first = done + random.below(100)
      const last = first + random.below(6)
      missed.add(first, last)
      for (let sequence = first; sequence <= last; sequence++) model.add(sequence)
      if (random.chance(4)) {
        done += random.below(40)
        missed.advance(done)
        for (const sequence of model) if (sequence < done) model.delete(sequence)
      }
      t.same(
        listed(missed, 2000),
        [...model].sort((a, b) => a - b),
        `seed ${seed}`,
      )
      if (model.size > 0) t.equal(missed.first, Math.min(...model))
      t.equal(missed.isEmpty, model.size === 0)
    }
  }
})

t.test('a range is open while the member is away, and ends when it is back', async (t) => {
  const missed = new MissedSequences()
  missed.add(10, Infinity)
  t.equal(missed.isOpen, true)
  missed.add(5, 6)
  missed.advance(12)
  t.equal(missed.first, 12)
  missed.close(20)
  t.equal(missed.isOpen, false)
  t.equal(missed.last, 20)
  missed.advance(21)
  t.equal(missed.isEmpty, true)
  missed.add(30, Infinity)
  missed.close(29)
  t.equal(missed.isEmpty, true, 'nothing was written meanwhile')
})

t.test('too many ranges become one that holds them all', async (t) => {
  const missed = new MissedSequences()
  for (let sequence = 0; sequence < 5000; sequence += 2) missed.add(sequence, sequence)
  for (let sequence = 0; sequence < 5000; sequence += 2)
    if (!missed.has(sequence)) t.fail(`${sequence} is gone`)
  t.equal(missed.first, 0)
})

t.test(
  'what was in doubt when a link is lost is everything since the last pair that the watermark has passed',
  async (t) => {
    const checkpoints = new DeliveryCheckpoints(100)
    checkpoints.note(100, 0)
    checkpoints.note(150, 40)
    checkpoints.note(150, 41)
    checkpoints.note(190, 75)
    checkpoints.acked(39)
    t.equal(checkpoints.confirmed, 100)
    checkpoints.acked(74)
    t.equal(checkpoints.confirmed, 150)
    checkpoints.restart()
    checkpoints.acked(1000)
    t.equal(checkpoints.confirmed, 150, 'what was noted on the old link says nothing')
    checkpoints.restart(200)
    t.equal(checkpoints.confirmed, 200)
    for (let i = 1; i <= 1000; i++) checkpoints.note(200 + i, i)
    checkpoints.acked(1000)
    t.ok(checkpoints.confirmed < 300, 'a link that says nothing costs no memory')
  },
)

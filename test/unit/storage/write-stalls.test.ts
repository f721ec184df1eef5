import t from 'tap'
import { WriteStalls } from '../../../src/storage/write-stalls.js'

t.test('delays are counted with what they add up to', async (t) => {
  const stalls = new WriteStalls()
  stalls.delayed(10)
  stalls.delayed(25)
  t.same(stalls.facts(0), { delays: 2, delayedMs: 35, waits: 0, waitedMs: 0 })
})

t.test('many writes that wait for the same room are one wait, until the first goes on', async (t) => {
  const stalls = new WriteStalls()
  stalls.goesOn(50)
  stalls.waits(100)
  stalls.waits(150)
  t.match(stalls.facts(170), { waits: 1, waitedMs: 70 })
  stalls.goesOn(200)
  stalls.goesOn(900)
  stalls.waits(1000)
  t.match(stalls.facts(1001), { waits: 2, waitedMs: 101 })
})

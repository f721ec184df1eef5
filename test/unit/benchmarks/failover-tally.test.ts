import t from 'tap'
import { FailoverTally, LATE_MS } from '../../../benchmarks/load/failover-tally.js'
import { ALL_SLOTS, SlotSet, WrittenKeys } from '../../../benchmarks/load/written-keys.js'
import { slotOf } from '../../../src/ring/slot.js'

t.test('the longest time without a success is that of the worst client, since the node went', async (t) => {
  const tally = new FailoverTally([3, 5], 0)
  tally.succeeded(3, 'before', 4990, 5000, false)
  tally.succeeded(5, 'before', 4990, 5000, true)
  tally.faultBegins()
  tally.succeeded(3, 'absent', 5100, 5200, false)
  tally.succeeded(5, 'absent', 5100, 5900, false)
  tally.succeeded(3, 'absent', 5900, 6000, true)
  const { longestGapMs, longestGapOfKeysMs } = tally.figures(6100)
  t.equal(longestGapMs, 900, 'client 5 from 5000 to 5900')
  t.equal(longestGapOfKeysMs, 6000, 'client 3 had none of these before')
})

t.test('a client that is never answered again has its gap until the end', async (t) => {
  const tally = new FailoverTally([0, 1], 0)
  tally.faultBegins()
  tally.succeeded(0, 'absent', 0, 9000, false)
  t.equal(tally.figures(9500).longestGapMs, 9500)
})

t.test('failures and late answers are counted by phase', async (t) => {
  const tally = new FailoverTally([0], 0)
  tally.succeeded(0, 'before', 0, 2, false)
  tally.failed('absent')
  tally.succeeded(0, 'absent', 0, LATE_MS + 1, false)
  tally.succeeded(0, 'absent', 0, LATE_MS, false)
  const { before, absent, after } = tally.figures(0).phases
  t.match(before, { requests: 1, failed: 0, late: 0, maxMs: 2 })
  t.match(absent, { requests: 3, failed: 1, late: 1 })
  t.match(after, { requests: 0, failed: 0 })
})

t.test('acknowledged keys are sampled by when they were and by slot', async (t) => {
  const keys = new WrittenKeys(100, 8)
  for (let i = 0; i < 100; i++) keys.acknowledge(keys.next(), 10 * i)
  t.ok(keys.isFull)
  t.equal(keys.valueOf(12), '12......')
  const all = new SlotSet(ALL_SLOTS)
  t.same(keys.sample(200, 230, all, 100), ['failover:20', 'failover:21', 'failover:22'])
  t.same(keys.sample(200, 300, all, 3), ['failover:20', 'failover:24', 'failover:28', 'failover:29'])
  const name = Buffer.from('failover:21')
  const slot = slotOf(name, 0, name.length)
  t.same(keys.sample(200, 230, new SlotSet([{ firstSlot: slot, lastSlot: slot }]), 100), ['failover:21'])
})

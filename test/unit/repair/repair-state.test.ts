import t from 'tap'
import { RepairState } from '../../../src/repair/repair-state.js'
import { Ring } from '../../../src/ring/ring.js'
import { SimEnv } from '../../../src/sim/sim-env.js'
import { CorruptionError } from '../../../src/storage/corruption-error.js'
import { membersOf } from '../../support/ring-members.js'

const DIRECTORY = '/data'

function machine(seed: string): SimEnv {
  const env = SimEnv.fromSeed(seed)
  env.disk.makeDirectory(DIRECTORY)
  env.disk.syncDirectory('/')
  return env
}

function opened(env: SimEnv, ring: Ring): RepairState {
  return RepairState.open(ring, env.disk, env.clock, DIRECTORY, () => {})
}

async function saved(env: SimEnv, state: RepairState): Promise<void> {
  const saving = state.save()
  while (await env.queue.step()) {
    // Until the write is due.
  }
  await saving
}

t.test('P1 P2 horizons, exchanges, staleness and members survive a crash once saved', async (t) => {
  const env = machine('repair state')
  const ring = new Ring(membersOf(3), 3)
  const state = opened(env, ring)
  t.equal(state.startCounter, 1)
  const other = ring.members[1].id
  state.ranges[5].horizonMs = 7_200_000
  state.ranges[5].staleReason = 'purged'
  state.ranges[5].floor = 44
  state.ranges[5].exchanges.set(other, { ownMs: 10, theirsMs: 11, sequence: 12 })
  state.members.set(other, { directoryId: 'd', startCounter: 3, bootId: 4 })
  await saved(env, state)
  state.ranges[6].horizonMs = 1
  const after = opened(env.reboot('lose-all'), ring)
  t.equal(after.startCounter, 2, 'each start counts')
  t.same(after.ranges[5], state.ranges[5])
  t.same(after.members, state.members)
  t.equal(after.ranges[6].horizonMs, 0, 'what was not saved is gone')
})

t.test('a start is counted before anything else happens', (t) => {
  let env = machine('repair start')
  const ring = new Ring(membersOf(3), 3)
  for (let start = 1; start <= 3; start++) {
    t.equal(opened(env, ring).startCounter, start)
    env = env.reboot('lose-all')
  }
  t.end()
})

t.test('a ring that divides ranges otherwise believes the least of what overlaps', async (t) => {
  const env = machine('repair ring')
  const before = new Ring(membersOf(3), 2)
  const state = opened(env, before)
  const [a, b] = before.members.map(({ id }) => id)
  state.ranges.forEach((range, i) => {
    range.horizonMs = 3_600_000 * (i + 1)
    range.exchanges.set(a, { ownMs: 1000 + i, theirsMs: 1, sequence: i })
    if (i % 2 === 0) range.exchanges.set(b, { ownMs: 5, theirsMs: 5, sequence: 5 })
  })
  await saved(env, state)
  const ring = new Ring(membersOf(4), 2)
  const after = opened(env, ring)
  ring.ranges().forEach(({ firstSlot, lastSlot }, range) => {
    const [first, last] = [before.rangeOfSlot[firstSlot], before.rangeOfSlot[lastSlot]]
    t.equal(after.ranges[range].horizonMs, 3_600_000 * (last + 1), 'the highest horizon')
    t.equal(after.ranges[range].exchanges.get(a)?.ownMs, 1000 + first, 'the oldest exchange')
    if (first !== last) t.notOk(after.ranges[range].exchanges.has(b), 'none where a part has none')
  })
})

t.test('a damaged repair state stops the start and says what to do', (t) => {
  const env = machine('repair damage')
  const ring = new Ring(membersOf(3), 3)
  opened(env, ring)
  env.disk.flipBit(`${DIRECTORY}/REPAIR`, 60, 3)
  t.throws(() => opened(env, ring), CorruptionError)
  t.end()
})

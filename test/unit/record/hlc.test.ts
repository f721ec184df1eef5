import t from 'tap'
import fc from 'fast-check'
import { holds } from '../util/holds.js'
import { HLC_EPOCH_MS, HLC_PER_MS, Hlc, hlcToWallMs, wallMsToHlc } from '../../../src/record/hlc.js'

const NOW_MS = Date.UTC(2026, 0, 1)

t.test(
  'V4 a minted stamp exceeds the own last one, the wall clock and the floor, whatever came before',
  async (t) => {
    const step = fc.record({
      wallMs: fc.integer({ min: NOW_MS - 5, max: NOW_MS + 5 }),
      floor: fc.integer({ min: 0, max: wallMsToHlc(NOW_MS + 8) }),
      witnessed: fc.integer({ min: 0, max: wallMsToHlc(NOW_MS + 8) }),
    })
    holds(
      t,
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const clock = new Hlc()
        for (const { wallMs, floor, witnessed } of steps) {
          clock.witness(witnessed)
          const last = clock.last
          const minted = clock.mint(wallMs, floor)
          if (minted <= last || minted <= wallMsToHlc(wallMs) || minted <= floor || minted <= witnessed)
            return false
          if (clock.last !== minted) return false
        }
        return true
      }),
    )
  },
)

t.test(
  'V4 a stamp that restarts from its data goes on above it even when the wall clock fell behind',
  async (t) => {
    const clock = new Hlc(wallMsToHlc(NOW_MS + 60_000))
    t.equal(clock.mint(NOW_MS), wallMsToHlc(NOW_MS + 60_000) + 1)
    t.equal(clock.mint(NOW_MS), wallMsToHlc(NOW_MS + 60_000) + 2)
  },
)

t.test('witnessing an older stamp changes nothing', async (t) => {
  const clock = new Hlc(100)
  clock.witness(99)
  t.equal(clock.last, 100)
  clock.witness(101)
  t.equal(clock.last, 101)
})

t.test('a wall clock before the epoch still yields ascending stamps', async (t) => {
  const clock = new Hlc()
  t.equal(clock.mint(HLC_EPOCH_MS - 1), 1)
  t.equal(clock.mint(0), 2)
})

t.test('a stamp is 4096 per millisecond since 2025 and its wall time is read back from it', async (t) => {
  t.equal(HLC_EPOCH_MS, Date.UTC(2025, 0, 1))
  t.equal(wallMsToHlc(HLC_EPOCH_MS), 0)
  t.equal(wallMsToHlc(HLC_EPOCH_MS - 1), 0)
  t.equal(wallMsToHlc(HLC_EPOCH_MS + 3), 3 * HLC_PER_MS)
  holds(
    t,
    fc.property(
      fc.integer({ min: 0, max: 2 ** 41 - 1 }),
      fc.integer({ min: 0, max: HLC_PER_MS - 1 }),
      (ms, count) => {
        const hlc = wallMsToHlc(HLC_EPOCH_MS + ms) + count
        return Number.isSafeInteger(hlc) && hlcToWallMs(hlc) === HLC_EPOCH_MS + ms
      },
    ),
  )
})

t.test('the first stamp of a millisecond lies in that millisecond', async (t) => {
  t.equal(hlcToWallMs(new Hlc().mint(NOW_MS)), NOW_MS)
})

t.test('more than 4096 stamps in a millisecond run ahead of the wall and let it catch up', async (t) => {
  const clock = new Hlc()
  let last = 0
  for (let i = 0; i < 10_000; i++) last = clock.mint(NOW_MS)
  t.equal(hlcToWallMs(last), NOW_MS + 2)
  t.equal(hlcToWallMs(clock.mint(NOW_MS + 5)), NOW_MS + 5)
})

t.test('the clock refuses to leave the safe integers', async (t) => {
  const clock = new Hlc(Number.MAX_SAFE_INTEGER - 1)
  t.equal(clock.mint(NOW_MS), Number.MAX_SAFE_INTEGER)
  t.throws(() => clock.mint(NOW_MS), { name: 'AssertionError' })
  t.throws(() => clock.witness(2 ** 53), { name: 'AssertionError' })
  t.throws(() => new Hlc(-1), { name: 'AssertionError' })
})

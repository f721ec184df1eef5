import t from 'tap'
import { pongTimes } from '../../../benchmarks/lossy-link.js'
import type { LossyLinkOptions } from '../../../benchmarks/lossy-link.js'
import { watchPeer } from '../../../benchmarks/phi-watch.js'
import { PHI_ACCRUAL_DEFAULTS } from '../../../src/membership/phi-accrual.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

const HOUR_MS = 3_600_000

function pongs(count: number, of: Partial<LossyLinkOptions> = {}): number[] {
  const options = { pingIntervalMs: 100, lossChance: 0, pauseMs: 0, pauseEveryMs: 10_000, delayMs: 1 }
  const times = pongTimes({ random: new SimRandom('pongs'), ...options, ...of })
  return Array.from({ length: count }, () => times.next().value)
}

t.test('on a good network a pong comes a round trip behind each ping', async (t) => {
  t.same(pongs(4), [2, 102, 202, 302])
})

t.test('a lost packet comes 200, 600, 1400 ms later, and holds up those behind it', async (t) => {
  const times = pongs(100_000, { lossChance: 0.1 })
  t.ok(times.every((time, i) => i === 0 || time >= times[i - 1]))
  const lateMs = times.map((time, i) => Math.round(time - 100 * i - 2))
  const share = (late: number): number => lateMs.filter((one) => one === late).length / times.length
  // Undisturbed: not lost in either direction, and nothing before it that was lost in the last 200 ms or more.
  t.ok(share(0) > 0.4 && share(0) < 0.81, `${share(0)} are on time`)
  for (const late of [100, 200, 400, 600]) t.ok(share(late) > 0.001, `${share(late)} are ${late} ms late`)
  t.ok(Math.max(...lateMs) > 1400)
})

t.test('what comes in a pause is answered when it ends, and nothing is lost', async (t) => {
  const times = pongs(100_000, { pauseMs: 500, pauseEveryMs: 2000 })
  const gaps = times.slice(1).map((time, i) => time - times[i])
  t.ok(Math.max(...gaps) > 500 && Math.max(...gaps) <= 601, `${Math.max(...gaps)} ms is the longest silence`)
  const paused = gaps.filter((gap) => gap > 400).length
  t.ok(paused > 100_000 / 30 && paused < 100_000 / 20, `${paused} pauses in 100,000 pings`)
})

t.test('a detector counts how often it held down a peer that lived, and for how long', async (t) => {
  const good = watchPeer(PHI_ACCRUAL_DEFAULTS, pongs(40_000), HOUR_MS)
  t.same([good.falsePositives, good.downMs], [0, 0])
  t.equal(good.detectionMs.length, 0, 'the hour is not quite over')
  const silences = pongs(40_000).filter((time) => time % 600_000 > 2000)
  const bad = watchPeer(PHI_ACCRUAL_DEFAULTS, silences, HOUR_MS)
  t.equal(bad.falsePositives, 6, 'every ten minutes two seconds are missing, at the start too')
  t.ok(bad.downMs > 6 * 1200 && bad.downMs < 6 * 1600, `${bad.downMs} ms`)
})

/** The failure detector: phi against the normal distribution's exact tail, and what a silence is taken for. */
import t from 'tap'
import { PHI_ACCRUAL_DEFAULTS, PhiAccrual } from '../../../src/membership/phi-accrual.js'

const OPTIONS = { ...PHI_ACCRUAL_DEFAULTS, deviationMsMin: 10 }

/** A detector that has heard a heartbeat every 100 ms, and the time of the last. */
function settled(options = OPTIONS, beats = 1000): { detector: PhiAccrual; nowMs: number } {
  const detector = new PhiAccrual(options, 0)
  for (let beat = 1; beat <= beats; beat++) detector.arrive(100 * beat)
  return { detector, nowMs: 100 * beats }
}

/** Smallest silence after which phi reaches `threshold`. */
function silenceUntil(detector: PhiAccrual, nowMs: number, threshold: number): number {
  let silence = 0
  while (detector.phi(nowMs + silence) < threshold) silence++
  return silence
}

t.test('phi follows the tail of the normal distribution', async (t) => {
  const { detector, nowMs } = settled()
  t.equal(detector.meanMs, 100)
  t.equal(detector.deviationMs, 10)
  // -log10(1 - Phi(y)) for y = 0, 1, 2, 4, 5.6120.
  const exact: [number, number][] = [
    [0, 0.30103],
    [1, 0.79955],
    [2, 1.64302],
    [4, 4.49933],
    [5.612, 8],
  ]
  for (const [y, phi] of exact) {
    const found = detector.phi(nowMs + 100 + 10 * y)
    t.ok(Math.abs(found - phi) <= 0.0001 * phi + 1e-4, `phi at ${y} deviations: ${found} for ${phi}`)
  }
})

t.test('phi grows without bound and never becomes NaN or infinite', async (t) => {
  const { detector, nowMs } = settled()
  let last = -1
  for (const silence of [0, 50, 100, 150, 200, 1000, 1e5, 1e7]) {
    const phi = detector.phi(nowMs + silence)
    t.ok(Number.isFinite(phi) && phi > last, `${silence} ms: ${phi}`)
    last = phi
  }
})

t.test('before anything was heard the first interval is the guess', async (t) => {
  const detector = new PhiAccrual({ ...OPTIONS, firstIntervalMs: 1000, deviationMsMin: 100 }, 0)
  t.ok(detector.phi(1000) < 1)
  t.ok(detector.phi(4000) > 8)
})

t.test('with the defaults a silence of 500 ms is forgiven and one of a second is not', async (t) => {
  const { detector, nowMs } = settled(PHI_ACCRUAL_DEFAULTS)
  const suspicious = silenceUntil(detector, nowMs, 5)
  const down = silenceUntil(detector, nowMs, 8)
  t.ok(suspicious >= 500 && suspicious < down, `suspicious after ${suspicious} ms`)
  t.ok(down <= 1000, `down after ${down} ms`)
})

t.test('a busy link does not make the detector nervous', async (t) => {
  const quiet = settled()
  const busy = new PhiAccrual(OPTIONS, 0)
  for (let at = 0; at <= quiet.nowMs; at += 0.5) busy.arrive(at)
  t.ok(busy.meanMs >= OPTIONS.sampleEveryMs)
  t.ok(silenceUntil(busy, quiet.nowMs, 8) >= silenceUntil(quiet.detector, quiet.nowMs, 8) - 60)
})

t.test('irregular heartbeats make the detector patient', async (t) => {
  const regular = settled()
  const irregular = new PhiAccrual(OPTIONS, 0)
  let nowMs = 0
  for (let beat = 0; beat < 1000; beat++) {
    nowMs += beat % 2 === 0 ? 60 : 140
    irregular.arrive(nowMs)
  }
  t.ok(silenceUntil(irregular, nowMs, 8) > silenceUntil(regular.detector, regular.nowMs, 8))
})

t.test('the window forgets', async (t) => {
  const { detector, nowMs } = settled()
  let at = nowMs
  for (let beat = 0; beat < OPTIONS.windowSize; beat++) detector.arrive((at += 60))
  t.ok(Math.abs(detector.meanMs - 60) < 1e-9, `mean ${detector.meanMs}`)
})

t.test('a silence that counted as death is not learnt from', async (t) => {
  const { detector, nowMs } = settled()
  detector.arrive(nowMs + 60_000)
  t.equal(detector.meanMs, 100)
  t.ok(detector.phi(nowMs + 60_100) < 1, 'and the peer is alive again at once')
})

t.test('the own pause is nobody’s silence', async (t) => {
  const { detector, nowMs } = settled()
  const woke = nowMs + 3_600_000
  t.ok(detector.phi(woke) > 8, 'it would be')
  detector.pause(3_600_000 - 100, woke)
  t.ok(detector.phi(woke) < 1)
  detector.arrive(woke)
  t.ok(detector.meanMs < 101, 'and no interval')
  detector.pause(1e9, woke)
  t.equal(detector.lastArrivalMs, woke, 'never taken to be later than now')
})

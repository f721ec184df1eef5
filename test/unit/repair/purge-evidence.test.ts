import t from 'tap'
import { NEVER_DIES } from '../../../src/record/layout.js'
import { isMajority, lastHourBefore, purgeHorizon } from '../../../src/repair/purge-evidence.js'
import type { PurgeEvidence, ReplicaEvidence } from '../../../src/repair/purge-evidence.js'

const H = 3_600_000
const GRACE = 4 * H
const NOW = 100 * H

function exchanged(ownMs: number, sequence = 1000, theirsMs = ownMs): ReplicaEvidence {
  return { exchange: { ownMs, theirsMs, sequence }, isLive: true, failedForMs: 0 }
}

function failed(forMs: number): ReplicaEvidence {
  return { exchange: null, isLive: false, failedForMs: forMs }
}

/** Everything speaks for purging all up to the grace. */
function evidence(changes: Partial<PurgeEvidence>): PurgeEvidence {
  return {
    nowMs: NOW + 1,
    graceMs: GRACE,
    hardAgeMs: 7 * 24 * H,
    isHeldMax: false,
    horizonMs: 0,
    hours: [],
    replicas: [exchanged(NOW), exchanged(NOW)],
    oldestHandoffMs: Infinity,
    ...changes,
  }
}

t.test('P1 an hour goes when grace, exchanges with every replica and handoffs all allow it', (t) => {
  const at = (endMs: number, lastArrival: number): { endMs: number; lastArrival: number } => ({
    endMs,
    lastArrival,
  })
  const cases: readonly [string, Partial<PurgeEvidence>, number][] = [
    ['the hour that ended more than the grace ago', {}, NOW - GRACE],
    ['not the one that ended exactly the grace ago', { nowMs: NOW }, NOW - GRACE - H],
    ['nothing without an exchange', { replicas: [exchanged(NOW), { ...exchanged(NOW), exchange: null }] }, 0],
    ['up to the older of two exchanges', { replicas: [exchanged(NOW), exchanged(90 * H + 1)] }, 90 * H],
    [
      'by the other side’s clock as well',
      { replicas: [exchanged(NOW), exchanged(NOW, 1000, 80 * H + 5)] },
      80 * H,
    ],
    ['an exchange begun on the stroke does not cover the hour', { replicas: [exchanged(90 * H)] }, 89 * H],
    ['an S that was taken over is no evidence', { replicas: [exchanged(NOW, 0, 0)] }, 0],
    ['not an hour of which a record came after the exchange', { hours: [at(50 * H, 1001)] }, 49 * H],
    ['nor what lies above such an hour', { hours: [at(50 * H, 1001), at(60 * H, 5)] }, 49 * H],
    [
      'an hour whose last record came before it',
      { hours: [at(50 * H, 1000), at(NEVER_DIES, 9999)] },
      NOW - GRACE,
    ],
    ['nothing newer than a hint', { oldestHandoffMs: 70 * H + 1 }, 70 * H],
    ['nothing where hints are not known', { oldestHandoffMs: 0 }, 0],
    ['a horizon never sinks', { horizonMs: 98 * H, oldestHandoffMs: 0 }, 98 * H],
    [
      'late records below the horizon hold nothing up',
      { horizonMs: 60 * H, hours: [at(50 * H, 1001)] },
      NOW - GRACE,
    ],
  ]
  for (const [what, changes, expected] of cases) t.equal(purgeHorizon(evidence(changes)), expected, what)
  t.end()
})

t.test('P1 a failed member is left out after purge-hard-age, by a majority only', (t) => {
  const week = 7 * 24 * H
  const cases: readonly [string, Partial<PurgeEvidence>, number][] = [
    ['failed for the hard age', { replicas: [exchanged(NOW), failed(week)] }, NOW - GRACE],
    ['a moment less', { replicas: [exchanged(NOW), failed(week - 1)] }, 0],
    ['down, but not agreed to have failed', { replicas: [exchanged(NOW), failed(0)] }, 0],
    ['a minority never', { replicas: [failed(week), failed(week)] }, 0],
    ['half is no majority', { replicas: [failed(week)] }, 0],
    [
      'at once when too much is held',
      { isHeldMax: true, replicas: [exchanged(NOW), failed(1)] },
      NOW - GRACE,
    ],
    ['even then not by a minority', { isHeldMax: true, replicas: [failed(week), failed(week)] }, 0],
    [
      'those that are left still have to have it',
      { replicas: [exchanged(50 * H + 1), failed(week)] },
      50 * H,
    ],
  ]
  for (const [what, changes, expected] of cases) t.equal(purgeHorizon(evidence(changes)), expected, what)
  t.end()
})

t.test('P1 a horizon is the end of a whole hour', (t) => {
  t.equal(lastHourBefore(0), 0)
  t.equal(lastHourBefore(-5), 0)
  t.equal(lastHourBefore(H), 0)
  t.equal(lastHourBefore(H + 1), H)
  t.equal(lastHourBefore(2 * H), H)
  t.equal(lastHourBefore(2.5 * H), 2 * H)
  t.ok(isMajority([{ isLive: true }, { isLive: false }]))
  t.notOk(isMajority([{ isLive: false }, { isLive: false }]))
  t.notOk(isMajority([{ isLive: false }]))
  t.ok(isMajority([]))
  t.end()
})

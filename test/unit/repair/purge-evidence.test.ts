import t from 'tap'
import { NEVER_DIES } from '../../../src/record/layout.js'
import { isMajority, lastHourBefore, purgeHorizon } from '../../../src/repair/purge-evidence.js'
import type { MemberEvidence, PurgeEvidence, ReplicaEvidence } from '../../../src/repair/purge-evidence.js'

const H = 3_600_000
const GRACE = 4 * H
const NOW = 100 * H

function exchanged(ownMs: number, sequence = 1000, theirsMs = ownMs): ReplicaEvidence {
  return {
    exchange: { ownMs, theirsMs, sequence },
    isLive: true,
    failedForMs: 0,
    holdsNoneBeforeMs: Infinity,
  }
}

function failed(forMs: number): ReplicaEvidence {
  return { exchange: null, isLive: false, failedForMs: forMs, holdsNoneBeforeMs: 0 }
}

/** A replica that has exchanged. */
function holding(holdsNoneBeforeMs: number): ReplicaEvidence {
  return { ...exchanged(NOW), holdsNoneBeforeMs }
}

/** A member that is no replica. */
function other(holdsNoneBeforeMs: number, failedForMs = 0): MemberEvidence {
  return { isLive: failedForMs === 0, failedForMs, holdsNoneBeforeMs }
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
    others: [],
    ownOldestMs: Infinity,
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
    ['nothing newer than an own hint', { ownOldestMs: 70 * H + 1 }, 70 * H],
    ['nor than a replica’s', { replicas: [exchanged(NOW), holding(70 * H + 1)] }, 70 * H],
    ['nor than a copy of another member', { others: [other(NOW), other(70 * H + 1)] }, 70 * H],
    ['nothing where a member has not said what it holds', { others: [other(0)] }, 0],
    ['nor where a replica has not', { replicas: [exchanged(NOW), holding(0)] }, 0],
    ['a horizon never sinks', { horizonMs: 98 * H, others: [other(0)] }, 98 * H],
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
    ['no replica, and failed for the hard age', { others: [other(0, week)] }, NOW - GRACE],
    ['no replica, a moment less', { others: [other(0, week - 1)] }, 0],
    [
      'no replica, and a minority that sees it failed',
      { replicas: [failed(0), failed(0)], horizonMs: H, others: [other(0, week)] },
      H,
    ],
    ['what it held is left out with it', { others: [other(70 * H, week)] }, NOW - GRACE],
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

import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { deathHourEndMs, deathTime, isDeadAt, maxHlc, winnerIsLive } from '../../../src/record/death.js'
import { hlcToWallMs, wallMsToHlc } from '../../../src/record/hlc.js'
import { NEVER_DIES } from '../../../src/record/layout.js'
import { recordDeathTime } from '../../../src/record/normalise.js'
import { deletionSibling, encodeRecord, valueSibling, type Sibling } from '../../../src/record/record.js'
import { anyRecord } from './arbitrary-record.js'

const NOW_MS = Date.UTC(2026, 5, 1)
const HLC = wallMsToHlc(NOW_MS)
const VALUE = Buffer.from('v')

/** Bytes of a record of these siblings, at offset 5. */
function bytesOf(...siblings: Sibling[]): Buffer {
  const context = siblings.map(({ actor, hlc }) => ({ actor, hlc }))
  return Buffer.concat([Buffer.alloc(5), encodeRecord({ key: Buffer.from('k'), context, siblings })])
}

const eternal = (actor: number, hlc = HLC) => valueSibling({ actor, hlc }, VALUE, 0)
const mortal = (actor: number, expireAtMs: number, hlc = HLC) =>
  valueSibling({ actor, hlc }, VALUE, expireAtMs)
const deletion = (actor: number, hlc = HLC) => deletionSibling({ actor, hlc })

t.test('a record never dies while one sibling lives without an expiry, winner or not', async (t) => {
  t.equal(deathTime(bytesOf(eternal(1)), 5), NEVER_DIES)
  t.equal(deathTime(bytesOf(eternal(1), mortal(2, NOW_MS), deletion(3, HLC + 9)), 5), NEVER_DIES)
  t.equal(isDeadAt(bytesOf(eternal(1)), 5, Number.MAX_SAFE_INTEGER - 1), false)
})

t.test('otherwise it dies with its latest expiry, or with its deletion if that is later', async (t) => {
  t.equal(deathTime(bytesOf(mortal(1, NOW_MS + 70), mortal(2, NOW_MS + 50)), 5), NOW_MS + 70)
  t.equal(deathTime(bytesOf(mortal(1, NOW_MS + 70), deletion(2)), 5), NOW_MS + 70)
  t.equal(deathTime(bytesOf(mortal(1, NOW_MS - 70), deletion(2, HLC + 4095)), 5), NOW_MS)
})

t.test('a record without siblings died at the newest entry of its context', async (t) => {
  const context = [
    { actor: 1, hlc: HLC },
    { actor: 2, hlc: 5 },
  ]
  const bytes = encodeRecord({ key: VALUE, context, siblings: [] })
  t.equal(deathTime(bytes, 0), NOW_MS)
  t.equal(winnerIsLive(bytes, 0, NOW_MS, 0), false)
})

t.test('a record is dead from its death time on', async (t) => {
  const bytes = bytesOf(mortal(1, NOW_MS))
  t.equal(isDeadAt(bytes, 5, NOW_MS - 1), false)
  t.equal(isDeadAt(bytes, 5, NOW_MS), true)
})

t.test('a read sees the winner alone, and only while it is a value that has not expired', async (t) => {
  t.equal(winnerIsLive(bytesOf(eternal(1)), 5, NOW_MS, 0), true)
  t.equal(winnerIsLive(bytesOf(mortal(1, NOW_MS + 1)), 5, NOW_MS, 0), true)
  t.equal(winnerIsLive(bytesOf(mortal(1, NOW_MS)), 5, NOW_MS, 0), false)
  t.equal(
    winnerIsLive(bytesOf(deletion(2), eternal(1)), 5, NOW_MS, 0),
    false,
    'a deletion that wins hides a value',
  )
  t.equal(winnerIsLive(bytesOf(mortal(2, 1), eternal(1)), 5, NOW_MS, 0), false, 'so does an expired winner')
  t.equal(winnerIsLive(bytesOf(eternal(2), deletion(1)), 5, NOW_MS, 0), true)
})

t.test('P4 a read sees nothing at or below the flush mark', async (t) => {
  t.equal(winnerIsLive(bytesOf(eternal(1)), 5, NOW_MS, HLC - 1), true)
  t.equal(winnerIsLive(bytesOf(eternal(1)), 5, NOW_MS, HLC), false)
  t.equal(winnerIsLive(bytesOf(eternal(1)), 5, NOW_MS, HLC + 1), false)
})

t.test('the newest HLC and the death time in place are those of the decoded record', async (t) => {
  holds(
    t,
    fc.property(anyRecord, (record) => {
      const bytes = encodeRecord(record)
      assert.equal(
        maxHlc(bytes, 0),
        record.context.reduce((max, entry) => Math.max(max, entry.hlc), 0),
      )
      assert.equal(deathTime(bytes, 0), recordDeathTime(record))
    }),
  )
})

t.test(
  'P1 an hour of death ends with its stroke, so that "at or below the horizon" means whole hours',
  async (t) => {
    const hour = Date.UTC(2026, 5, 1, 13)
    t.equal(deathHourEndMs(hour), hour)
    t.equal(deathHourEndMs(hour + 1), hour + 3_600_000)
    t.equal(deathHourEndMs(hour - 1), hour)
    t.equal(deathHourEndMs(NEVER_DIES), NEVER_DIES)
    t.equal(hlcToWallMs(HLC), NOW_MS)
  },
)

/**
 * A record with stamps from the future, as it would be had its writer's clock been right (RULES C2). No other node takes such
 * a record, and no write may go over it, since the new dot would have to lie further ahead still (RULES V4).
 *
 *     a sibling from the future    the same value, expiry or deletion under a new dot of a fresh actor
 *     any other sibling            stays as it is
 *     an entry of the context      one from the future is cut to now, or to the highest stamp of the record that stays
 *
 * An entry says that everything of its actor up to its HLC has been seen, so the lower one says something that is true as well.
 * Leaving the entry out instead would forget what the record has seen of the actor before its clock went wrong: those
 * versions, which other replicas may hold, would come back as siblings, and a sibling here could lose its cover.
 *
 * The old dots are not covered by the result. A replica that holds them too has to be reminted itself, or brings them back as
 * siblings when their time has come.
 */
import { assert } from '../util/assert.js'
import type { RecordValue } from './record.js'
import { joinVectors, newestHlc } from './version-vector.js'

/**
 * The record without stamps at or above `limitHlc`; the same one if it has none. `nowHlc`, below the limit, is the highest of
 * the wall clock and the flush mark; `actor` has no dot in the record. The new dots lie above `nowHlc` and every entry, in the
 * order of the old ones. Where an entry that stays lies just below the limit, those of n siblings may exceed it,
 * by n stamps at most: less than a millisecond for as many as may be minted (RULES V8).
 */
export function remint(record: RecordValue, limitHlc: number, actor: number, nowHlc: number): RecordValue {
  assert(nowHlc < limitHlc, 'the present lies before the future')
  if (newestHlc(record.context) < limitHlc) return record
  let floor = nowHlc
  // Siblings too: one that stays may be of an actor whose entry does not.
  for (const { hlc } of [...record.context, ...record.siblings]) {
    if (hlc < limitHlc && hlc > floor) floor = hlc
  }
  const context = record.context.map((entry) =>
    entry.hlc < limitHlc ? entry : { actor: entry.actor, hlc: floor },
  )
  assert(!context.some((entry) => entry.actor === actor), 'the actor is a fresh one')
  const count = record.siblings.filter(({ hlc }) => hlc >= limitHlc).length
  // Siblings descend, so those from the future are the first ones and stay so.
  const siblings = record.siblings.map((sibling, i) =>
    i < count ? { ...sibling, actor, hlc: floor + count - i } : sibling,
  )
  const dots = count === 0 ? [] : [{ actor, hlc: floor + count }]
  return { key: record.key, context: joinVectors(context, dots), siblings }
}

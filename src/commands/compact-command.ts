/**
 * KV.COMPACT [ALL | LEVELED | SIZE-TIERED | WINDOWS] [first-slot last-slot]: has this node rewrite its tables of a family, or all, so that
 * what is dead leaves the disk as far as it may; behind the compactions that are due anyway, at their rate. As BGSAVE it answers at once.
 * Without arguments: what is done and under way, as one JSON text.
 *
 *     { byFamily: { leveled: { compactions, readBytes, writtenBytes }, … }, byReason: { level-0: 7, … },
 *       running: { family, reason, tables, inputBytes, readBytes, runsForMs } | null,
 *       wanted: { isDone, askedAtMs, doneAtMs, totalBytes, leftBytes, compactions } | null }
 *
 * `wanted` is what this command has asked for last. It is forgotten by a restart; what was done by then stays done.
 */
import { TOKENS_PER_SLOT } from '../ring/token.js'
import type { SlotRange } from '../ring/slot-range.js'
import { SLOT_COUNT } from '../ring/slot.js'
import { ALL_FAMILIES } from '../storage/compaction/wanted.js'
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED, FAMILY_WINDOW } from '../storage/families.js'
import type { Family } from '../storage/families.js'
import { integerOf, textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'

const NAME = 'kv.compact'
const INVALID_SLOT = 'ERR Invalid or out of range slot'

const FAMILIES: ReadonlyMap<string, readonly Family[]> = new Map([
  ['ALL', ALL_FAMILIES],
  ['LEVELED', [FAMILY_LEVELED]],
  ['SIZE-TIERED', [FAMILY_SIZE_TIERED]],
  ['WINDOWS', [FAMILY_WINDOW]],
])

const compact: Handler = (request) => {
  const { node, reply } = request
  const families = request.argc === 1 ? undefined : FAMILIES.get(textOf(request, 1).toUpperCase())
  // A range without a family is of all.
  const slots = slotsFrom(request, families === undefined ? 1 : 2)
  if (request.argc === 1) reply.bulkText(JSON.stringify(node.compaction.facts()))
  else if (slots === 'syntax') reply.error(SYNTAX_ERROR)
  else if (slots === null) reply.error(INVALID_SLOT)
  else {
    node.compaction.want({
      families: families ?? ALL_FAMILIES,
      minToken: slots.firstSlot * TOKENS_PER_SLOT,
      maxToken: (slots.lastSlot + 1) * TOKENS_PER_SLOT - 1,
    })
    reply.simple('Background compaction started')
  }
  return DONE
}

/** The slots that stand at argument `from` and the next, all when nothing stands there; null for what are none. */
function slotsFrom(request: Request, from: number): SlotRange | 'syntax' | null {
  if (request.argc === from) return { firstSlot: 0, lastSlot: SLOT_COUNT - 1 }
  if (request.argc !== from + 2) return 'syntax'
  const firstSlot = integerOf(request, from)
  const lastSlot = integerOf(request, from + 1)
  return firstSlot >= 0 && firstSlot <= lastSlot && lastSlot < SLOT_COUNT ? { firstSlot, lastSlot } : null
}

export const compactHandlers: Readonly<Record<string, Handler>> = { [NAME]: compact }

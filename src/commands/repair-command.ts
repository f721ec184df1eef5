/**
 * KV.REPAIR [first-slot last-slot]: has this node compare what it holds of these slots, or of all, with the other replicas, and both
 * sides take over what they lack. As BGSAVE it answers at once and goes on behind; how far it is, INFO's section `repair` says:
 * nothing is left of it when repair_demanded_ranges is 0.
 */
import type { SlotRange } from '../ring/slot-range.js'
import { SLOT_COUNT } from '../ring/slot.js'
import { integerOf } from './args.js'
import { NO_CLUSTER } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'

const NAME = 'kv.repair'
const NO_SLOTS = 'ERR Invalid or out of range slot'

const repair: Handler = (request) => {
  const { node, reply } = request
  const view = node.cluster?.repair ?? null
  const slots = slotsOf(request)
  if (view === null) reply.error(NO_CLUSTER)
  else if (slots === null) reply.error(NO_SLOTS)
  else {
    const { ranges, notHeld } = view.repair(slots)
    const elsewhere = notHeld.map(({ firstSlot, lastSlot }) => `${firstSlot}-${lastSlot}`).join(' ')
    if (ranges === 0) reply.error(`ERR this node holds none of these slots: ${elsewhere}`)
    else
      reply.simple(
        `Background repair of ${ranges} ranges started${elsewhere === '' ? '' : `; not held here: ${elsewhere}`}`,
      )
  }
  return DONE
}

/** Null for slots that are none. */
function slotsOf(request: Request): SlotRange | null {
  if (request.argc === 1) return { firstSlot: 0, lastSlot: SLOT_COUNT - 1 }
  if (request.argc !== 3) return null
  const firstSlot = integerOf(request, 1)
  const lastSlot = integerOf(request, 2)
  return firstSlot >= 0 && firstSlot <= lastSlot && lastSlot < SLOT_COUNT ? { firstSlot, lastSlot } : null
}

export const repairHandlers: Readonly<Record<string, Handler>> = { [NAME]: repair }

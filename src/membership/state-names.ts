/**
 * The named states that members gossip about themselves, each with the number that stands for it on the wire. A number is never
 * given another meaning. Numbers that this version does not know are kept and passed on, so that members of different
 * versions can be neighbours.
 *
 *     STATUS          'running' or 'stopped' (in order)                       text
 *     ADDRESS         where clients are to be sent to reach it                text
 *     HOLDS_DOWN      the members that it holds down (holds-down.ts)          u16 each, ascending
 *     DIRECTORY       the identity of its data directory                      text
 *     OLDEST_HANDOFF  the oldest hint or fallback copy that it holds          HLC u53; empty for none
 *     PURGED          the purge horizons of its ranges (RULES P1)             as repair/ has it
 */
const NUMBERS = {
  STATUS: 1,
  ADDRESS: 2,
  HOLDS_DOWN: 3,
  DIRECTORY: 4,
  OLDEST_HANDOFF: 5,
  PURGED: 6,
} as const

export type StateName = keyof typeof NUMBERS

export function stateNumber(name: StateName): number {
  return NUMBERS[name]
}

const NAMES = new Map<number, StateName>(
  Object.entries(NUMBERS).map(([name, number]) => [number, name as StateName]),
)

/** Undefined for a number of a later version. */
export function stateName(number: number): StateName | undefined {
  return NAMES.get(number)
}

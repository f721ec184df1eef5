/**
 * Once everything is healed, every replica of a key holds the same record, byte for byte, and the run came to its end in time:
 * requests were answered, nodes started and stopped.
 */
import { normaliseRecord } from '../../record/normalise.js'
import type { Checker, Evidence, Violation } from './evidence.js'
import type { HeldRecord, StoreDump } from '../run/store-dump.js'

const NAME = 'convergence'

export const convergence: Checker = {
  name: NAME,
  check({ stores, replicasOf, stuck }: Evidence): Violation[] {
    const found: Violation[] = stuck.map((what) => ({ checker: NAME, key: '', what }))
    for (const { key, what } of differences(stores, replicasOf)) found.push({ checker: NAME, key, what })
    return found
  },
}

/** Keys that their replicas do not agree on. */
export function differences(
  stores: readonly StoreDump[],
  replicasOf: (key: string) => readonly string[],
): { readonly key: string; readonly what: string }[] {
  const keys = new Set(stores.flatMap(({ records }) => [...records.keys()]))
  const found: { key: string; what: string }[] = []
  for (const key of keys) {
    const list = replicasOf(key)
    const held = stores.filter(({ node }) => list.includes(node))
    const purgeHorizonMs = Math.max(...held.map((dump) => dump.horizonMs(key)))
    const [first, ...others] = held.map(({ records }) => counted(records.get(key), purgeHorizonMs))
    if (others.every((other) => isEqual(first, other))) continue
    const views = held.map(({ node, records }) => `${node} ${shown(records.get(key))}`)
    found.push({ key, what: `replicas differ: ${views.join('; ')}` })
  }
  return found
}

/** Nothing where it is dead at or below the highest horizon of all: some have purged it, and others have yet to. */
function counted(held: HeldRecord | undefined, purgeHorizonMs: number): HeldRecord | undefined {
  if (held === undefined || purgeHorizonMs === 0) return held
  return normaliseRecord(held.decoded, { flushMark: 0, purgeHorizonMs }) === null ? undefined : held
}

function isEqual(one: HeldRecord | undefined, other: HeldRecord | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return one.bytes.equals(other.bytes)
}

const SHOWN_CHARACTERS = 40

function shown(held: HeldRecord | undefined): string {
  if (held === undefined) return 'nothing'
  const siblings = held.siblings.map(({ isValue, value, actor, hlc }) => {
    const text = isValue ? value.slice(0, SHOWN_CHARACTERS) : 'deletion'
    return `${text} (${actor}, ${hlc})`
  })
  const context = held.decoded.context.map(({ actor, hlc }) => `${actor}:${hlc}`)
  return `${siblings.join(', ')} context ${context.join(' ')}`
}

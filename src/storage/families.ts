/**
 * Families of tables: which tables an entry may be compacted with. A record that dies because a value of it expires belongs
 * to the *window* of its death time, so that it leaves the disk with the file that it lies in (windows/README.md); all others,
 * deletions included, go to the *leveled* or the *size-tiered* tables, by the longest prefix of their keys.
 *
 * The flush asks once, in familyOf(); compactions stay within a family, and windows within a window. Where an entry lies
 * says nothing about its age: "newest" is the highest sequence over all families (RULES T6), so a change of policy needs
 * no rewriting, and the versions of one key may lie in several families at once.
 */
import {
  KIND_VALUE,
  NEVER_DIES,
  SIBLING_BYTES,
  keyLength,
  keyStart,
  siblingCount,
  siblingKind,
  siblingsStart,
} from '../record/layout.js'
import { deathTime } from '../record/death.js'
import type { WindowTier } from './windows/window-tiers.js'
import { windowOf } from './windows/window-tiers.js'

export const FAMILY_LEVELED = 0
export const FAMILY_SIZE_TIERED = 1
export const FAMILY_WINDOW = 2
export type Family = typeof FAMILY_LEVELED | typeof FAMILY_SIZE_TIERED | typeof FAMILY_WINDOW

/** Where among its like a table stands, as the manifest says it. */
export interface TablePlace {
  /** Means something in the leveled family only; 0 in the others, whose tables may overlap. */
  readonly level: number
  readonly family: Family
  /** The deaths of a window's entries lie in (windowStartMs, windowEndMs], late ones before; 0 and 0 in other families. */
  readonly windowStartMs: number
  readonly windowEndMs: number
}

export const LEVEL_ZERO: TablePlace = { level: 0, family: FAMILY_LEVELED, windowStartMs: 0, windowEndMs: 0 }
export const SIZE_TIERED: TablePlace = { ...LEVEL_ZERO, family: FAMILY_SIZE_TIERED }

/** Plain data, so that a job can take it along. */
export interface FamilyPolicies {
  /** See window-tiers.ts. None: what expires is treated like everything else. */
  readonly windowTiers: readonly WindowTier[]
  /** The longest prefix of a key decides; keys without one are leveled. */
  readonly prefixes: readonly PrefixFamily[]
}

export interface PrefixFamily {
  readonly prefix: Uint8Array
  readonly family: typeof FAMILY_LEVELED | typeof FAMILY_SIZE_TIERED
}

export const LEVELED_ONLY: FamilyPolicies = { windowTiers: [], prefixes: [] }

/** Which place the entry whose record is at bytes[record…] is flushed to at `nowMs` (milliseconds since 1970). Pure. */
export function familyOf(
  bytes: Uint8Array,
  record: number,
  nowMs: number,
  { windowTiers, prefixes }: FamilyPolicies,
): TablePlace {
  if (windowTiers.length > 0 && expires(bytes, record)) {
    const { startMs, endMs } = windowOf(deathTime(bytes, record), nowMs, windowTiers)
    return { level: 0, family: FAMILY_WINDOW, windowStartMs: startMs, windowEndMs: endMs }
  }
  return prefixFamily(bytes, record, prefixes) === FAMILY_SIZE_TIERED ? SIZE_TIERED : LEVEL_ZERO
}

/** Whether both tables may be inputs of one compaction. */
export function isSamePlace(a: TablePlace, b: TablePlace): boolean {
  return a.family === b.family && a.windowStartMs === b.windowStartMs && a.windowEndMs === b.windowEndMs
}

/** Dies, and not only as a deletion does. */
function expires(bytes: Uint8Array, record: number): boolean {
  if (deathTime(bytes, record) === NEVER_DIES) return false
  const count = siblingCount(bytes, record)
  let siblingAt = siblingsStart(bytes, record)
  for (let i = 0; i < count; i++, siblingAt += SIBLING_BYTES) {
    if (siblingKind(bytes, siblingAt) === KIND_VALUE) return true
  }
  return false
}

function prefixFamily(bytes: Uint8Array, record: number, prefixes: readonly PrefixFamily[]): Family {
  let longest = -1
  let family: Family = FAMILY_LEVELED
  for (const policy of prefixes) {
    if (policy.prefix.length <= longest || !hasPrefix(bytes, record, policy.prefix)) continue
    longest = policy.prefix.length
    family = policy.family
  }
  return family
}

function hasPrefix(bytes: Uint8Array, record: number, prefix: Uint8Array): boolean {
  if (keyLength(bytes, record) < prefix.length) return false
  const start = keyStart(record)
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false
  return true
}

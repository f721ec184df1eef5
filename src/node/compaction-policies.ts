/**
 * Which keys are compacted how: the list storage.policies of the configuration file. It is this node's own matter, so a single
 * node may have it as well as a member of a cluster, and two members may differ.
 */
import { PREFIX_LENGTH_MAX } from '../coordinator/key-policies.js'
import type { PrefixFamily } from '../storage/families.js'
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED } from '../storage/families.js'
import type { EntryKey } from './cluster-schema.js'
import type { Setting } from './config.js'
import { readEntries } from './list-entries.js'
import type { CompactionPolicy } from './node-config.js'

export const COMPACTION_POLICIES_PATH = 'storage.policies'
/** A flush compares every key with every prefix. */
const POLICIES_MAX = 64

export const COMPACTION_POLICY_KEYS: readonly EntryKey[] = [
  {
    name: 'prefix',
    type: { kind: 'text', minLength: 0, maxLength: PREFIX_LENGTH_MAX },
    fallback: null,
    reason: 'The keys that it is for: those that begin so. The longest prefix wins.',
  },
  {
    name: 'compaction',
    type: { kind: 'choice', choices: ['leveled', 'size-tiered'] },
    fallback: 'leveled',
    reason:
      'How those that do not expire are compacted: leveled is good for reads and space, size-tiered for keys that are written much and read little.',
  },
]

/** Reads the list; what is wrong is added to `problems`, and the list is then not to be used. */
export function readCompactionPolicies(settings: readonly Setting[], problems: string[]): CompactionPolicy[] {
  const before = problems.length
  const entries = readEntries(COMPACTION_POLICIES_PATH, COMPACTION_POLICY_KEYS, settings, problems)
  if (problems.length > before) return []
  const seen = new Map<string, string>()
  for (const { path, values, where } of entries) {
    const prefix = values.get('prefix') as string
    const other = seen.get(prefix)
    if (other === undefined) seen.set(prefix, `${path}.prefix`)
    else {
      const allowed = `a prefix that no other policy has; it is also ${other}`
      problems.push(`${path}.prefix: ${JSON.stringify(prefix)} (${where}), allowed: ${allowed}`)
    }
  }
  if (entries.length > POLICIES_MAX) {
    problems.push(`${COMPACTION_POLICIES_PATH}: ${entries.length} policies, allowed: up to ${POLICIES_MAX}`)
  }
  return entries.map(({ values }) => ({
    prefix: values.get('prefix') as string,
    compaction: values.get('compaction') as CompactionPolicy['compaction'],
  }))
}

/** The same as the store takes it. */
export function prefixFamilies(policies: readonly CompactionPolicy[]): PrefixFamily[] {
  return policies.map(({ prefix, compaction }) => ({
    prefix: new TextEncoder().encode(prefix),
    family: compaction === 'size-tiered' ? FAMILY_SIZE_TIERED : FAMILY_LEVELED,
  }))
}

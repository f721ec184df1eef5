/**
 * The member list and the policies of a configuration in their typed form, each entry checked by itself and against the
 * others of its list. What they mean together with this node's own settings is cluster-checks.ts's.
 */
import { parseLevel } from '../coordinator/consistency.js'
import type { Level } from '../coordinator/consistency.js'
import { POLICIES_MAX } from '../coordinator/key-policies.js'
import type { PrefixPolicy } from '../coordinator/key-policies.js'
import { sha1Hex } from '../env/sha1.js'
import type { MergePolicy } from '../record/merge.js'
import { TOTAL_WEIGHT_MAX } from '../ring/member.js'
import {
  CLUSTER_PORT_OFFSET,
  MEMBER_KEYS,
  MEMBERS_PATH,
  POLICIES_PATH,
  POLICY_KEYS,
  SMART_PORT_OFFSET,
} from './cluster-schema.js'
import type { Setting } from './config.js'
import { readEntries } from './list-entries.js'
import type { Entry } from './list-entries.js'
import type { ClusterMember } from './node-config.js'

export const PORT_MAX = 65535

export interface ClusterLists {
  /** Empty for a single node. */
  readonly members: readonly ClusterMember[]
  readonly policies: readonly PrefixPolicy[]
}

export const NO_LISTS: ClusterLists = { members: [], policies: [] }

/** The node id of a member that was given none. */
export function memberId(name: string): string {
  return sha1Hex(`kindred member ${name}`)
}

/** Reads both lists. Problems are sentences as loadConfig's; where there are any, the lists are not to be used. */
export function readClusterLists(settings: readonly Setting[], problems: string[]): ClusterLists {
  const before = problems.length
  const members = readEntries(MEMBERS_PATH, MEMBER_KEYS, settings, problems)
  const policies = readEntries(POLICIES_PATH, POLICY_KEYS, settings, problems)
  if (problems.length > before) return NO_LISTS
  const lists = { members: members.map(memberOf), policies: policies.map(policyOf) }
  checkMembers(members, lists.members, problems)
  checkPolicies(policies, problems)
  return lists
}

function memberOf({ values }: Entry): ClusterMember {
  const text = (key: string) => values.get(key) as string
  const number = (key: string) => values.get(key) as number
  const label = (key: string) => (text(key) === '' ? null : text(key))
  const [name, port] = [text('name'), number('port')]
  return {
    name,
    id: text('id') === '' ? memberId(name) : text('id'),
    host: label('host'),
    rack: label('rack'),
    datacenter: label('datacenter'),
    weight: number('weight'),
    address: text('address'),
    port,
    smartPort: number('smart-port') || port + SMART_PORT_OFFSET,
    clusterPort: number('cluster-port') || port + CLUSTER_PORT_OFFSET,
  }
}

function policyOf({ values }: Entry): PrefixPolicy {
  const level = (key: string): Level | null => parseLevel(values.get(key) as string) ?? null
  return {
    prefix: values.get('prefix') as string,
    conflicts: values.get('conflicts') as MergePolicy,
    read: level('read-consistency'),
    write: level('write-consistency'),
  }
}

function checkMembers(
  entries: readonly Entry[],
  members: readonly ClusterMember[],
  problems: string[],
): void {
  const names = new Unique('a name that no other member has', problems)
  const ids = new Unique('an id that no other member has', problems)
  const places = new Unique('a port that nothing else has at that address', problems)
  members.forEach((member, i) => {
    const { path, where } = entries[i]
    names.add(`${path}.name`, member.name, where)
    ids.add(`${path}.id`, member.id, where)
    for (const [key, port] of portsOf(member)) {
      if (port <= PORT_MAX) places.add(`${path}.${key}`, placeOf(member.address, port), where)
      else {
        problems.push(
          `${path}.${key}: ${port} as it follows from port ${member.port} (${where}), allowed: an integer up to ${PORT_MAX}`,
        )
      }
    }
  })
  const weight = members.reduce((sum, member) => sum + member.weight, 0)
  if (weight > TOTAL_WEIGHT_MAX) {
    problems.push(
      `${MEMBERS_PATH}: ${weight} is the weight of all together, allowed: up to ${TOTAL_WEIGHT_MAX}`,
    )
  }
}

/** A member's ports under the names of their settings. */
export function portsOf(member: ClusterMember): readonly (readonly [name: string, port: number])[] {
  return [
    ['port', member.port],
    ['smart-port', member.smartPort],
    ['cluster-port', member.clusterPort],
  ]
}

function placeOf(address: string, port: number): string {
  const host = address.toLowerCase()
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function checkPolicies(entries: readonly Entry[], problems: string[]): void {
  const prefixes = new Unique('a prefix that no other policy has', problems)
  for (const { path, values, where } of entries) {
    prefixes.add(`${path}.prefix`, values.get('prefix') as string, where)
  }
  if (entries.length > POLICIES_MAX) {
    problems.push(`${POLICIES_PATH}: ${entries.length} policies, allowed: up to ${POLICIES_MAX}`)
  }
}

/** Values that may occur once. */
class Unique {
  readonly #allowed: string
  readonly #problems: string[]
  readonly #seen = new Map<string, string>()

  constructor(allowed: string, problems: string[]) {
    this.#allowed = allowed
    this.#problems = problems
  }

  add(path: string, value: string, where: string): void {
    const other = this.#seen.get(value)
    if (other === undefined) this.#seen.set(value, path)
    else {
      const problem = `${path}: ${JSON.stringify(value)} (${where}), allowed: ${this.#allowed}`
      this.#problems.push(`${problem}; it is also ${other}`)
    }
  }
}

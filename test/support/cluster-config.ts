/** Configurations of clusters on loopback for tests: members by name, everything else as the schema has it. */
import { memberId } from '../../src/node/cluster-lists.js'
import { loadConfig } from '../../src/node/config.js'
import type { Setting } from '../../src/node/config.js'
import type { ClusterConfig, ClusterMember } from '../../src/node/node-config.js'

/** A cluster of these members, of which the first is the node; ports from 7001 on. */
export function clusterOf(members: readonly (string | Partial<ClusterMember>)[]): ClusterConfig {
  const named = members.map((member) => (typeof member === 'string' ? { name: member } : member))
  const settings = named.flatMap(({ name = '' }, i) => [
    setting(`cluster.members[${i + 1}].name`, name),
    setting(`cluster.members[${i + 1}].address`, '127.0.0.1'),
    setting(`cluster.members[${i + 1}].port`, String(7001 + i)),
  ])
  const node = setting('cluster.node', named[0].name ?? '')
  const loaded = loadConfig([[...settings, node]], { workDirectory: '/', configFile: '' })
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
  const { cluster } = loaded.config
  if (cluster === null) throw new Error('members make a cluster')
  const changed = cluster.members.map((member, i) => ({ ...member, id: memberId(member.name), ...named[i] }))
  return { ...cluster, self: changed[0], members: changed }
}

function setting(path: string, value: string): Setting {
  return { path, value, where: 'test' }
}

import t from 'tap'
import { configurationOf } from '../../../benchmarks/servers/kindred-cluster.js'
import { parseConfigFile } from '../../../src/node/config-file.js'
import { loadConfig } from '../../../src/node/config.js'

t.test('nodes of the quorum benchmarks get a configuration file that nodes accept', async (t) => {
  const members = [1, 2, 3].map((i) => ({
    name: `node-${i}`,
    host: '127.0.0.1',
    port: 7000 + i,
    smartPort: 9000 + i,
    clusterPort: 27_000 + i,
  }))
  const file = parseConfigFile(configurationOf(members[1], members, '/srv/data', 'everysec'), 'node-2.yaml')
  t.same(file.problems, [])
  const loaded = loadConfig([file.settings], { workDirectory: '/srv', configFile: '' })
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join(', '))
  const { config } = loaded
  t.match(config, { port: 7002, smartPort: 9002, clusterPort: 27_002, dir: '/srv/data' })
  t.match(config, { appendFsync: 'everysec' })
  t.equal(config.cluster?.self.name, 'node-2')
  t.same(
    config.cluster?.members.map(({ name, address, port, smartPort, clusterPort }) => ({
      name,
      host: address,
      port,
      smartPort,
      clusterPort,
    })),
    members,
  )
})

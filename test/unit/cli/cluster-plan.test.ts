import t from 'tap'
import { planCluster } from '../../../src/cli/cluster-plan.js'
import type { PlannedNode } from '../../../src/cli/cluster-plan.js'
import { parseNodeArguments } from '../../../src/cli/node-arguments.js'
import { ONE } from '../../../src/coordinator/consistency.js'

function plan(count: number, ...args: string[]) {
  return planCluster(count, parseNodeArguments(args, 'up').settings, '/work')
}

function nodesOf(count: number, ...args: string[]): readonly PlannedNode[] {
  const planned = plan(count, ...args)
  if (planned.kind === 'refused') throw new Error(planned.problems.join('\n'))
  return planned.nodes
}

t.test('three nodes get the ports and folders that the README names, and one member list', (t) => {
  const nodes = nodesOf(3)
  t.same(
    nodes.map(({ config }) => [config.port, config.smartPort, config.clusterPort, config.dir]),
    [
      [7001, 8001, 17001, '/work/data/node-1'],
      [7002, 8002, 17002, '/work/data/node-2'],
      [7003, 8003, 17003, '/work/data/node-3'],
    ],
  )
  t.same(
    nodes.map(({ name, configFile, config }) => [name, configFile, config.cluster?.node]),
    [1, 2, 3].map((i) => [`node-${i}`, `/work/data/node-${i}/node.yaml`, `node-${i}`]),
  )
  for (const { config } of nodes) t.same(config.cluster?.members, nodes[0].config.cluster?.members)
  t.end()
})

t.test('flags go to every node; ports are counted up, and the directory holds a folder for each', (t) => {
  const args = [
    '--replicas',
    '2',
    '--write-consistency',
    'one',
    '--segment-size',
    '2mb',
    '--requirepass',
    'a "b": c',
  ]
  const nodes = nodesOf(
    2,
    ...args,
    '--port',
    '100',
    '--smart-port',
    '200',
    '--cluster-port',
    '300',
    '--dir',
    '/d',
  )
  nodes.forEach(({ config }, i) => {
    t.match(config, {
      port: 100 + i,
      smartPort: 200 + i,
      clusterPort: 300 + i,
      dir: `/d/node-${i + 1}`,
      requirePass: 'a "b": c',
      storage: { segmentSizeBytes: 2 * 1024 * 1024 },
      cluster: { replicas: 2, writeLevel: ONE },
    })
  })
  t.end()
})

t.test('members are where the nodes listen', (t) => {
  const secret = ['--cluster-secret', 'x'.repeat(32)]
  const addressOf = (...args: string[]) => nodesOf(2, ...args)[1].config.cluster?.self.address
  t.equal(addressOf(), '127.0.0.1')
  t.equal(addressOf('--bind', '0.0.0.0', ...secret), '127.0.0.1')
  t.equal(addressOf('--bind', '10.0.0.7', ...secret), '10.0.0.7')
  t.equal(addressOf('--bind', '10.0.0.7', '--bind', '127.0.0.1', ...secret), '127.0.0.1')
  t.end()
})

t.test('problems name the flag, once for all nodes', (t) => {
  const problems = (...args: string[]) => {
    const planned = plan(3, ...args)
    return planned.kind === 'refused' ? planned.problems : []
  }
  t.same(problems('--maxclients', '0', '--segment-size', 'x'), [
    'maxclients: "0" (--maxclients), allowed: an integer from 1 to 1000000',
    'storage.segment-size: "x" (--segment-size), allowed: a size from 1mb to 2gb, such as 512k, 64mb or 1gb',
  ])
  t.same(problems('--node', 'a'), [
    'cluster.node: "a" (--node), allowed: nothing; "kindred up" names the nodes',
  ])
  t.match(problems('--port', '65534'), [
    /^port: "65534" \(--port\), allowed for 3 nodes: an integer from 1 to 65533/,
  ])
  t.match(problems('--port', 'x'), { length: 1 })
  t.match(problems('--port', '60000'), [/cluster-port: 70000/, /.*/, /.*/])
  t.end()
})

/** The shopping cart of the README, as it stands there, against a cluster; and with writers that a partition has separated. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { runProgram } from '../support/run-program.js'
import { until } from '../support/until.js'
import { WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(200_000)

const KEY = 'cart:ann'
const HEADING = '### Merging siblings: a shopping cart'

const cluster = await KindredCluster.start(t, { cuttable: true })
const [one, two, three] = cluster.nodes

/** The program, for the ports of this cluster. */
function program(): string {
  const readme = readFileSync('README.md', 'utf8')
  const section = readme.slice(readme.indexOf(HEADING))
  const code = /```js\n([\s\S]*?)```/.exec(section)?.[1] ?? ''
  return code.replace('7001', String(one.port)).replace('7002', String(two.port))
}

async function connect(t: Test, node: ClusterNode): Promise<WireClient> {
  const client = await node.open()
  t.teardown(() => client.close())
  return client
}

/** What the program leaves behind. */
async function runCart(t: Test): Promise<unknown> {
  const { code, out, error } = await runProgram(process.execPath, ['--input-type=module', '-e', program()])
  t.equal(code, 0, error)
  return JSON.parse(out)
}

/** The living siblings as a node shows them. */
async function siblings(client: WireClient): Promise<string[]> {
  const reply = await client.ask('KV.SIBLINGS', KEY)
  return [...reply.matchAll(/\{.*\}/g)].map(([value]) => value).toSorted()
}

t.test('the program merges what its two writers have put in at the same time', async (t) => {
  t.same(await runCart(t), { bread: 1, milk: 2 })
  for (const node of cluster.nodes) t.equal((await siblings(await connect(t, node))).length, 1, node.name)
})

t.test('writers on two sides of a partition: all is there afterwards, until it is merged', async (t) => {
  const clients = await Promise.all(cluster.nodes.map((node) => connect(t, node)))
  const [alone, together] = clients
  t.equal(await together.ask('DEL', KEY), ':1\r\n')
  cluster.partition([one])
  for (const other of [two, three]) {
    await until(`${one.name} and ${other.name} are apart`, async () => {
      return (await one.seesDown(other)) && (await other.seesDown(one))
    })
  }
  t.match(await alone.ask('SET', KEY, '{}'), /^-NOREPLICAS /, 'alone it has no quorum')
  t.equal(await alone.ask('KV.QUORUM', 'ONE', 'SET', KEY, '{"pears":3}'), '+OK\r\n')
  t.equal(await together.ask('SET', KEY, '{"apples":4}'), '+OK\r\n')
  cluster.heal()
  await cluster.linked()
  const values = new Set(await Promise.all(clients.map((client) => client.ask('GET', KEY))))
  t.equal(values.size, 1, 'the same winner everywhere')
  for (const client of clients) t.same(await siblings(client), ['{"apples":4}', '{"pears":3}'])
  const merged = { apples: 4, pears: 3, bread: 1, milk: 2 }
  t.same(await runCart(t), merged)
  for (const client of clients) {
    const left = await siblings(client)
    t.same(
      left.map((value) => JSON.parse(value) as unknown),
      [merged],
    )
  }
})

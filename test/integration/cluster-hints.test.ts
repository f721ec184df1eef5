/**
 * RULES L4, L5 with processes and LMDB: a node is killed under load, writes go on, and when it is back it gets all that it missed
 * without a single read.
 */
import { statSync } from 'node:fs'
import { open } from 'lmdb'
import t from 'tap'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'
import type { WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const PIPELINE = 50
const WRITES_MIN = 3000
const HANDED_OVER_MS = 60_000

/** Writes keys of its own until it is told to stop; remembers what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = []
  #isOver = false
  readonly #done: Promise<void>

  constructor(client: WireClient, prefix: string) {
    this.#done = this.#run(client, prefix)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  async #run(client: WireClient, prefix: string): Promise<void> {
    for (let first = 0; !this.#isOver; first += PIPELINE) {
      const keys = Array.from({ length: PIPELINE }, (_, i) => `${prefix}:${first + i}`)
      await client.send(pipeline(...keys.map((key) => ['SET', key, `value of ${key}`])))
      const replies = await client.replies(PIPELINE)
      keys.forEach((key, i) => {
        if (replies[i].toString('latin1') === '+OK\r\n') this.acknowledged.push(key)
      })
    }
  }
}

/** Keys that a node does not have itself, or with other values. */
async function lackedBy(node: ClusterNode, keys: readonly string[]): Promise<string[]> {
  const client = await node.open()
  const lacked: string[] = []
  t.equal(await client.ask('KV.QUORUM', 'READ', 'ONE', 'WRITE', 'ONE'), '+OK\r\n')
  for (const key of keys) {
    if ((await client.bulk('GET', key))?.toString() !== `value of ${key}`) lacked.push(key)
  }
  client.close()
  return lacked
}

async function numberOf(node: ClusterNode, name: string): Promise<number> {
  return Number((await node.info()).get(name))
}

/** What another process finds in the node's handoff store. */
function entriesOf({ directory }: ClusterNode): number {
  const database = open({ path: `${directory}/handoffs.lmdb`, readOnly: true, keyEncoding: 'binary' })
  const count = database.getKeysCount()
  void database.close()
  return count
}

async function handedOver(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    const isDone = async (): Promise<boolean> => {
      const info = await node.info()
      const names = ['cluster_hints', 'cluster_fallback_copies', 'cluster_handoffs_for_this_node']
      return names.every((name) => info.get(name) === '0')
    }
    await until(`${node.name} has handed everything over`, isDone, HANDED_OVER_MS)
  }
}

t.test('L4 a node that was killed under load has every acknowledged write when it is back', async (t) => {
  const cluster = await KindredCluster.start(t)
  const [first, second, dead] = cluster.nodes
  const writers = await Promise.all(
    [first, second].map(async (node) => new Writer(await node.open(), `of ${node.name}`)),
  )
  const enough = async (count: number): Promise<void> => {
    await until(`${count} writes`, async () =>
      writers.every(({ acknowledged }) => acknowledged.length >= count),
    )
  }
  await enough(WRITES_MIN / 10)
  await dead.kill9()
  await until('it is down', () => first.seesDown(dead))
  await enough(WRITES_MIN)
  await Promise.all(writers.map((writer) => writer.stop()))
  for (const node of [first, second]) {
    await until('hints are written', async () => (await numberOf(node, 'cluster_hints')) > WRITES_MIN / 10)
    t.ok(statSync(`${node.directory}/handoffs.lmdb`).size > 100_000, 'in LMDB')
  }
  // What a holder has written outlives it.
  let seen = 0
  const hints = await until('all of them are in the file', async () => {
    const before = seen
    seen = entriesOf(first)
    return seen === before && seen === (await numberOf(first, 'cluster_hints')) ? seen : null
  })
  await first.kill9()
  await first.startAgain()
  t.equal(await numberOf(first, 'cluster_hints'), hints, 'they are counted again')
  await dead.startAgain()
  await cluster.linked()
  await handedOver(cluster.nodes)
  const acknowledged = writers.flatMap((writer) => writer.acknowledged)
  t.ok(acknowledged.length >= 2 * WRITES_MIN)
  t.same(await lackedBy(dead, acknowledged), [])
  t.equal(await numberOf(first, 'cluster_handoffs_possible_losses'), 0)
  t.equal(await numberOf(second, 'cluster_handoffs_possible_losses'), 0)
})

t.test(
  'L5 with two of three replicas killed plain writes go on in a larger cluster, and nothing is lost',
  async (t) => {
    const cluster = await KindredCluster.start(t, { nodes: 5 })
    const [first, ...others] = cluster.nodes
    const dead = others.slice(2)
    for (const node of dead) await node.kill9()
    for (const node of dead) await until(`${node.name} is down`, () => first.seesDown(node))
    const client = await first.open()
    t.teardown(() => client.close())
    const acknowledged: string[] = []
    for (let i = 0; i < 200; i++) {
      if ((await client.ask('SET', `sloppy:${i}`, `value of sloppy:${i}`)) === '+OK\r\n') {
        acknowledged.push(`sloppy:${i}`)
      }
    }
    t.ok(acknowledged.length > 150, `${acknowledged.length} of 200 have a replica that lives`)
    t.ok((await numberOf(first, 'cluster_fallback_copies_sent')) > 0)
    await Promise.all(dead.map((node) => node.startAgain()))
    await cluster.linked()
    await handedOver(cluster.nodes)
    for (const key of acknowledged) {
      t.equal((await client.bulk('GET', key))?.toString(), `value of ${key}`)
    }
  },
)

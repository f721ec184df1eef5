/** One byte of a table of one of three nodes is changed on a real disk: nobody notices but the node, which gets it back from the others. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { blockOffset, flipByte } from '../support/flip-byte.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'

const KEYS = 2000
const BATCH = 100

function valueOf(key: number): string {
  return `value of ${key} `.repeat(200)
}

/** Sends a request for each key; the replies in order. */
async function each(node: ClusterNode, requestOf: (key: number) => (string | number)[]): Promise<string[]> {
  const client = await node.open()
  const replies: string[] = []
  for (let from = 0; from < KEYS; from += BATCH) {
    await client.send(pipeline(...Array.from({ length: BATCH }, (_, i) => requestOf(from + i))))
    for (let i = 0; i < BATCH; i++) replies.push(String(await client.replyOrEnd()))
  }
  client.close()
  return replies
}

t.test(
  'T8 a byte changed on one node’s disk is never seen by a client, and is repaired by itself',
  async (t) => {
    const flags = ['--segment-size', '1mb', '--table-size', '1mb', '--block-cache-size', '1mb']
    const cluster = await KindredCluster.start(t, { flags })
    const [first, damaged] = cluster.nodes
    await until('everything to be written', async () => {
      const replies = await each(first, (key) => ['SET', key, valueOf(key)])
      return replies.every((reply) => reply === '+OK\r\n')
    })
    await until('tables rest', async () => (await damaged.info()).get('storage_compacting') === '0')
    await damaged.stop()
    const tables = readdirSync(damaged.directory).filter((name) => name.endsWith('.table'))
    const name = tables.sort()[0]
    const path = join(damaged.directory, name)
    flipByte(path, blockOffset(path, 2) + 100)
    const bytes = readFileSync(path)
    await damaged.startAgain()
    await cluster.linked()

    for (const node of [damaged, first]) {
      const replies = await each(node, (key) => ['GET', key])
      const wrong = replies.findIndex((reply, key) => !reply.includes(valueOf(key)))
      if (wrong !== -1) t.fail(`${node.name}: ${wrong} shows ${replies[wrong].slice(0, 200)}`)
    }
    await until('the damage to be met and repaired', async () => {
      const info = await damaged.info()
      const isWhole = info.get('storage_gaps') === '0' && info.get('repair_stale_ranges') === '0'
      return isWhole && Number(info.get('storage_damage_found')) > 0
    })
    t.notOk(existsSync(path))
    t.same(readFileSync(join(damaged.directory, 'quarantine', name)), bytes)
    const alone = await each(damaged, (key) => ['KV.QUORUM', 'ONE', 'GET', key])
    t.ok(
      alone.every((reply, key) => reply.includes(valueOf(key))),
      'by itself it has all of them',
    )
    t.match(damaged.said, /"event":"damage found"/)
  },
)

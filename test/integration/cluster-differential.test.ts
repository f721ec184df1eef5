/**
 * Tens of thousands of random commands through one plain connection to a cluster of three, and through redis-server 7.0: every
 * reply the same bytes, apart from the differences of a single node (test/support/redis-differences.ts).
 */
import t from 'tap'
import type { Test } from 'tap'
import { slotOf } from '../../src/ring/slot.js'
import { firstDifference } from '../support/differential.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { PrivateRedis } from '../support/private-redis.js'
import type { RespConnection } from '../support/resp-connection.js'
import { Seeded } from '../support/seeded.js'
import { serverStream } from '../support/server-stream.js'
import type { WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const COMMANDS = 6_000
const LIMITS = ['--proto-max-bulk-len', '1mb']

const cluster = await KindredCluster.start(t, { flags: LIMITS })

async function pair(
  t: Test,
  node: ClusterNode,
  protocol: number,
): Promise<{ readonly ours: WireClient; readonly theirs: RespConnection }> {
  const redis = await PrivateRedis.start(...LIMITS)
  t.teardown(() => redis.stop())
  const theirs = await redis.open()
  t.teardown(() => theirs.close())
  await theirs.text('HELLO', String(protocol))
  const ours = await node.open()
  t.teardown(() => ours.close())
  await ours.ask('FLUSHALL')
  await ours.ask('HELLO', protocol)
  return { ours, theirs }
}

/** MSETNX of several slots: left out, because it is refused, and the data would differ from there on. */
function isRefused(command: readonly Buffer[]): boolean {
  if (command[0].toString().toLowerCase() !== 'msetnx') return false
  const keys = command.filter((_, i) => i % 2 === 1)
  return new Set(keys.map((key) => slotOf(key, 0, key.length))).size > 1
}

for (const [i, protocol] of [2, 3, 2].entries()) {
  const node = cluster.nodes[i]
  const seed = 50 + i
  t.test(`random commands in RESP${protocol} through ${node.name} are answered as by Redis`, async (t) => {
    const { ours, theirs } = await pair(t, node, protocol)
    const steps = serverStream(seed, COMMANDS, { without: isRefused })
    const found = await firstDifference(steps, ours, theirs, new Seeded(seed))
    t.equal(found, null, `${steps.length} replies, seed ${seed}`)
  })
}

t.test('MSETNX of several slots is refused, and nothing is written', async (t) => {
  const { ours } = await pair(t, cluster.nodes[0], 2)
  t.match(await ours.ask('MSETNX', 'a', '1', 'b', '2'), /^-CROSSSLOT /)
  t.equal(await ours.ask('EXISTS', 'a', 'b'), ':0\r\n')
})

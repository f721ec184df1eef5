/**
 * Tens of thousands of random commands through a node and through redis-server 7.0: every reply the same bytes, apart
 * from the differences written in test/support/redis-differences.ts. Pipelines are cut at random bytes.
 */
import t from 'tap'
import type { Test } from 'tap'
import { firstDifference } from '../support/differential.js'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { PrivateRedis } from '../support/private-redis.js'
import type { RespConnection } from '../support/resp-connection.js'
import { Seeded } from '../support/seeded.js'
import { serverStream } from '../support/server-stream.js'
import type { WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const COMMANDS = 12_000
/** Of values with up to 64 KB: about four times the smallest block cache. */
const BULK_KEYS = 250
const BULK_COMMANDS = 6_000
const ROUNDS = 6

const LIMITS = ['--proto-max-bulk-len', '1mb']

interface Pair {
  readonly node: KindredNode
  readonly ours: WireClient
  readonly theirs: RespConnection
}

async function pair(t: Test, protocol: number, flags: readonly string[]): Promise<Pair> {
  const redis = await PrivateRedis.start(...LIMITS)
  t.teardown(() => redis.stop())
  const node = await KindredNode.start(t, { flags: [...LIMITS, ...flags] })
  const theirs = await redis.open()
  t.teardown(() => theirs.close())
  await theirs.text('HELLO', String(protocol))
  return { node, ours: await client(t, node, protocol), theirs }
}

async function client(t: Test, node: KindredNode, protocol: number): Promise<WireClient> {
  const ours = await node.open()
  t.teardown(() => ours.close())
  await ours.ask('HELLO', protocol)
  return ours
}

for (const { protocol, seed } of [
  { protocol: 2, seed: 11 },
  { protocol: 3, seed: 12 },
]) {
  t.test(`random commands in RESP${protocol} are answered as by Redis (seed ${seed})`, async (t) => {
    const { ours, theirs } = await pair(t, protocol, [])
    const steps = serverStream(seed, COMMANDS)
    t.equal(await firstDifference(steps, ours, theirs, new Seeded(seed)), null, `${steps.length} replies`)
  })
}

for (const { protocol, seed, appendfsync } of [
  { protocol: 2, seed: 21, appendfsync: 'everysec' },
  { protocol: 3, seed: 22, appendfsync: 'always' },
]) {
  const title = `random commands in RESP${protocol} are answered as by Redis while data go to disk and come from it`
  t.test(`${title} (${appendfsync}, seed ${seed})`, async (t) => {
    const flags = [...SMALL_STORAGE, '--appendfsync', appendfsync]
    const { node, ours, theirs } = await pair(t, protocol, flags)
    const steps = serverStream(seed, BULK_COMMANDS, { bulkKeys: BULK_KEYS })
    t.equal(await firstDifference(steps, ours, theirs, new Seeded(seed)), null, `${steps.length} replies`)
    await crossedTheDisk(t, node)
  })
}

for (const { how, seed, appendfsync } of [
  { how: 'stopped', seed: 31, appendfsync: 'everysec' },
  { how: 'killed', seed: 32, appendfsync: 'always' },
  { how: 'killed', seed: 33, appendfsync: 'no' },
] as const) {
  const title = `a node that is ${how} and started again goes on as if nothing had been`
  t.test(`${title} (${appendfsync}, seed ${seed})`, async (t) => {
    const flags = [...SMALL_STORAGE, '--appendfsync', appendfsync]
    const { node, ours: first, theirs } = await pair(t, 2, flags)
    const random = new Seeded(seed)
    let ours = first
    let found: string | null = null
    for (let round = 0; round < ROUNDS && found === null; round++) {
      const steps = serverStream(100 * seed + round, BULK_COMMANDS / ROUNDS, { bulkKeys: BULK_KEYS })
      found = await firstDifference(steps, ours, theirs, random)
      if (how === 'killed') await node.kill9()
      else t.match(await node.stop(), { code: 0, error: '' })
      await node.startAgain()
      ours = await client(t, node, 2)
      // The name of a connection ends with it.
      await theirs.text('CLIENT', 'SETNAME', '')
    }
    t.equal(found, null, `${ROUNDS} rounds`)
  })
}

async function crossedTheDisk(t: Test, node: KindredNode): Promise<void> {
  const info = await node.info()
  const facts = ['storage_flushes', 'storage_compactions', 'storage_cache_misses'] as const
  t.comment(facts.map((fact) => `${fact} ${info.get(fact)}`).join(', '))
  for (const fact of facts) t.ok(Number(info.get(fact)) > 0, `${fact} is above 0`)
}

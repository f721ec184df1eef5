/** Snapshots of real nodes and clusters, and what comes out of them again. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { KindredNode, SMALL_STORAGE, temporaryDirectory } from '../support/kindred-node.js'
import { runKindred } from '../support/kindred-process.js'
import { until } from '../support/until.js'
import type { WireClient } from '../support/wire-client.js'

const VALUE = 'x'.repeat(1000)

/** Runs `kindred` and answers what it printed; fails the test when it ends with something else than `code`. */
async function run(t: Test, args: readonly string[], code = 0): Promise<string> {
  const ended = await runKindred(args)
  t.equal(ended.code, code, `kindred ${args.join(' ')}\n${ended.out}${ended.error}`)
  return ended.out + ended.error
}

/** SET with values that say who wrote them, in pages; answers when all are acknowledged. */
async function fill(client: WireClient, prefix: string, from: number, to: number): Promise<void> {
  for (let page = from; page < to; page += 500) {
    const words: string[] = []
    for (let i = page; i < Math.min(to, page + 500); i++)
      words.push(`${prefix}${i}`, `${prefix}${i} ${VALUE}`)
    if ((await client.ask('MSET', ...words)) !== '+OK\r\n') throw new Error('a write was refused')
  }
}

/** How many of the keys hold what fill() wrote. */
async function held(client: WireClient, prefix: string, count: number): Promise<number> {
  let sound = 0
  for (let page = 0; page < count; page += 500) {
    const keys = Array.from({ length: Math.min(500, count - page) }, (_, i) => `${prefix}${page + i}`)
    const values = await client.bulks('MGET', ...keys)
    values.forEach((value, i) => {
      if (value?.toString() === `${keys[i]} ${VALUE}`) sound++
    })
  }
  return sound
}

const folderOf = ({ directory }: { readonly directory: string }): string => join(directory, 'snapshots')

t.test(
  'kill -9 during BGSAVE under load: what is whole holds all that was acknowledged before it began',
  async (t) => {
    const node = await KindredNode.start(t, {
      flags: [...SMALL_STORAGE, '--appendfsync', 'everysec', '--snapshot-keep', '0'],
    })
    let written = 0
    const before = new Map<string, number>()
    for (let round = 0; round < 4; round++) {
      const client = await node.open()
      await fill(client, 'key', written, written + 3000)
      written += 3000
      before.set(`round-${round}`, written)
      const taker = await node.open()
      const taken = taker.ask('KV.SNAPSHOT', 'TAKE', `round-${round}`).catch(() => '')
      const filled = fill(client, 'key', written, written + 4000).catch(() => {})
      if (round % 2 === 0) await taken
      else await until('it has begun', async () => readdirSync(node.directory).includes('snapshots'))
      await node.kill9()
      await Promise.all([taken, filled])
      await node.startAgain()
      t.notOk(
        readdirSync(folderOf(node)).some((name) => name.endsWith('.tmp')),
        'what was not whole is gone',
      )
    }
    await node.stop()
    const names = readdirSync(folderOf(node))
    t.ok(names.includes('round-0') && names.includes('round-2'))
    await run(t, ['snapshot', ...names.flatMap((name) => ['--verify', join(folderOf(node), name)])])
    for (const name of names) {
      const directory = join(temporaryDirectory(t), 'restored')
      await run(t, ['restore', '--into', directory, join(folderOf(node), name)])
      const restored = await KindredNode.start(t, { directory, flags: SMALL_STORAGE })
      const client = await restored.open()
      const count = before.get(name) ?? 0
      t.equal(await held(client, 'key', count), count, name)
      client.close()
      await restored.stop()
    }
    await run(t, ['restore', '--into', node.directory, join(folderOf(node), 'round-0')], 1)
  },
)

t.test('BGSAVE, INFO, LASTSAVE and save work on a real node, and retention keeps the newest', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--snapshot-keep', '2'] })
  const client = await node.open()
  await fill(client, 'key', 0, 100)
  t.equal((await node.info()).get('rdb_changes_since_last_save'), '100')
  for (let i = 0; i < 3; i++) {
    t.equal(await client.ask('BGSAVE'), '+Background saving started\r\n')
    await until('it is whole', async () => (await node.info()).get('rdb_bgsave_in_progress') === '0')
  }
  const info = await node.info()
  t.equal(info.get('rdb_last_bgsave_status'), 'ok')
  t.equal(info.get('rdb_changes_since_last_save'), '0')
  t.equal(info.get('storage_snapshots'), '2')
  t.equal(readdirSync(folderOf(node)).length, 2)
  t.equal(await client.ask('LASTSAVE'), `:${info.get('rdb_last_save_time')}\r\n`)
  t.match(await run(t, ['snapshot', '--port', String(node.port), '--wait']), /snapshot made: .*snapshots/)
  await fill(client, 'key', 0, 10)
  const known = readdirSync(folderOf(node))
  t.equal(await client.ask('CONFIG', 'SET', 'save', '1 1'), '+OK\r\n')
  await until('one is made by itself', async () =>
    readdirSync(folderOf(node)).some((name) => !known.includes(name)),
  )
  client.close()
})

t.test(
  'FLUSHALL that was not meant: --restamp brings back the keys and leaves what was written since',
  async (t) => {
    const node = await KindredNode.start(t)
    const client = await node.open()
    await fill(client, 'key', 0, 1200)
    const expireAt = Date.now() + 3600_000
    await client.ask('SET', 'mortal', 'session', 'PXAT', String(expireAt))
    await client.ask('SET', 'deleted', 'x')
    await client.ask('DEL', 'deleted')
    t.equal(await client.ask('SAVE'), '+OK\r\n')
    t.equal(await client.ask('FLUSHALL'), '+OK\r\n')
    await client.ask('SET', 'key7', 'written since')
    const snapshot = join(folderOf(node), readdirSync(folderOf(node))[0])
    const said = await run(t, ['restore', '--restamp', '--port', String(node.port), snapshot])
    t.match(said, /1200 keys brought back, 1 were there already and were left alone, 0 failed/)
    t.equal(await held(client, 'key', 1200), 1199)
    t.equal(await client.ask('GET', 'key7'), '$13\r\nwritten since\r\n')
    t.equal(await client.ask('PEXPIRETIME', 'mortal'), `:${expireAt}\r\n`)
    t.equal(await client.ask('EXISTS', 'deleted'), ':0\r\n')
    await node.kill9()
    await node.startAgain()
    const again = await node.open()
    t.equal(await held(again, 'key', 1200), 1199)
    again.close()
  },
)

/** Settings files of the nodes that say where their data are to be. */
function configsWithDirectories(t: Test, nodes: readonly ClusterNode[]): string[] {
  const folder = temporaryDirectory(t)
  return nodes.map(({ name, config, directory }) => {
    const path = join(folder, `${name}.yaml`)
    writeFileSync(path, `dir: ${directory}\n${readFileSync(config, 'utf8')}`)
    return path
  })
}

t.test(
  'a cluster of three is restored into three, into five and into a single node, siblings and times to live kept',
  async (t) => {
    const cluster = await KindredCluster.start(t)
    const [first] = cluster.nodes
    const client = await first.open()
    await fill(client, 'key', 0, 3000)
    const expireAt = Date.now() + 3600_000
    await client.ask('SET', 'mortal', 'session', 'PXAT', String(expireAt))
    await client.ask('DEL', 'key5')
    await client.ask('SET', 'cart', 'empty')
    const context = /context\r\n\$\d+\r\n(\S+)\r\n/.exec(await client.ask('KV.SIBLINGS', 'cart'))?.[1] ?? ''
    for (const value of ['apples', 'pears']) {
      await client.ask('KV.SIBLINGS', 'cart', 'RESOLVE', context, 'VALUE', value)
    }
    const siblings = await client.ask('KV.SIBLINGS', 'cart')
    t.ok(siblings.includes('apples') && siblings.includes('pears'), siblings)
    const said = await run(t, ['snapshot', '--cluster', '--name', 'weekly', '--port', String(first.port)])
    t.match(said, /3 of 3 nodes have a snapshot weekly/)
    client.close()
    await Promise.all(cluster.nodes.map((node) => node.stop()))
    const snapshots = cluster.nodes.map((node) => join(folderOf(node), 'weekly'))
    await run(t, ['snapshot', ...snapshots.flatMap((path) => ['--verify', path])])

    const check = async (reader: WireClient, what: string): Promise<void> => {
      t.equal(await held(reader, 'key', 3000), 2999, `${what}: every key`)
      t.equal(await reader.ask('EXISTS', 'key5'), ':0\r\n', `${what}: no deleted one`)
      t.equal(await reader.ask('PEXPIRETIME', 'mortal'), `:${expireAt}\r\n`, `${what}: times to live`)
      const found = await reader.ask('KV.SIBLINGS', 'cart')
      t.ok(found.includes('apples') && found.includes('pears'), `${what}: siblings`)
      t.equal(await reader.ask('DBSIZE'), ':3001\r\n', `${what}: counts`)
      t.equal(await reader.ask('SET', 'key5', 'new'), '+OK\r\n')
      t.equal(await reader.ask('DEL', 'key5'), ':1\r\n')
    }
    for (const count of [3, 5]) {
      const other = await KindredCluster.make(t, { nodes: count })
      const configs = configsWithDirectories(t, other.nodes)
      await run(t, ['restore', ...configs.flatMap((path) => ['--config', path]), ...snapshots])
      await Promise.all(other.nodes.map((node) => node.startAgain()))
      await other.linked()
      for (const { name, info } of other.nodes.map((node) => ({
        name: node.name,
        info: () => node.info(),
      }))) {
        const isJudged = async () => (await info()).get('repair_unjudged_ranges') === '0'
        await until(`${name} has judged its ranges`, isJudged, 60_000)
      }
      for (const node of [other.nodes[0], other.nodes[count - 1]]) {
        const reader = await node.open()
        await check(reader, `${count} nodes, ${node.name}`)
        reader.close()
      }
      await Promise.all(other.nodes.map((node) => node.stop()))
    }

    const directory = join(temporaryDirectory(t), 'alone')
    const config = join(temporaryDirectory(t), 'alone.yaml')
    writeFileSync(config, `dir: ${directory}\n`)
    const refusal = await run(t, ['restore', '--config', config, snapshots[0]], 1)
    t.match(refusal, /too few replicas are there: without the snapshots of node-2, node-3/)
    await run(t, ['restore', '--config', config, ...snapshots])
    const alone = await KindredNode.start(t, { directory })
    const reader = await alone.open()
    t.equal(await held(reader, 'key', 3000), 2999)
    reader.close()
  },
)

t.test(
  'P2 a snapshot restored into a running cluster brings nothing back: the node is rebuilt',
  async (t) => {
    const cluster = await KindredCluster.start(t)
    const [first, second] = cluster.nodes
    const client = await second.open()
    await fill(client, 'key', 0, 500)
    await run(t, ['snapshot', '--name', 'old', '--port', String(first.port)])
    const kept = join(temporaryDirectory(t), 'old')
    cpSync(join(folderOf(first), 'old'), kept, { recursive: true })
    for (let i = 0; i < 500; i++) await client.ask('DEL', `key${i}`)
    await fill(client, 'later', 0, 300)
    await first.stop()
    first.wipe()
    await run(t, ['restore', '--into', first.directory, kept])
    await first.startAgain()
    await cluster.linked()
    await until('it is rebuilt', async () => (await first.info()).get('repair_stale_ranges') === '0', 60_000)
    const reader = await first.open()
    await reader.ask('KV.QUORUM', 'READ', 'ONE')
    t.equal(await held(reader, 'key', 500), 0, 'nothing is back')
    t.equal(await held(reader, 'later', 300), 300, 'and all of the rest is here')
    reader.close()
    client.close()
  },
)

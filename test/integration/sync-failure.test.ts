/**
 * A disk whose fsync and fdatasync fail. The kernel drops what it could not write and calls it clean, so a second try would
 * succeed and mean nothing: the node has to stop acknowledging at the first failure, say so, and go on reading; a restart
 * reads back what the disk has.
 */
import t from 'tap'
import type { Test } from 'tap'
import { FailingSync } from '../support/failing-sync.js'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'

const VALUE_BYTES = 20_000
const LOG_FAILED = /^-MISCONF Errors writing to the AOF file: .*EIO/
const skip = FailingSync.skip()

interface FailingNode {
  readonly node: KindredNode
  fail(): void
  heal(): void
}

async function start(t: Test, flags: readonly string[]): Promise<FailingNode> {
  const sync = new FailingSync(t)
  const node = await KindredNode.start(t, { flags, env: sync.env })
  return { node, fail: () => sync.fail(), heal: () => sync.heal() }
}

t.test(
  'after a failed sync nothing is acknowledged any more, reads go on, and a restart recovers (always)',
  { skip },
  async (t) => {
    const { node, fail, heal } = await start(t, ['--appendfsync', 'always'])
    const client = await node.open()
    t.equal(await client.ask('SET', 'before', '1'), '+OK\r\n')
    fail()
    const writers = await Promise.all([node.open(), node.open()])
    for (const writer of writers) await writer.send(pipeline(['SET', 'during', '1'], ['GET', 'during']))
    const answers = await Promise.all(writers.map((writer) => writer.replyOrEnd()))
    // Who waited for that sync is told nothing, because nobody knows; who came later is refused.
    t.ok(answers.includes(null), 'a connection ends without an answer')
    t.ok(answers.every((answer) => answer === null || LOG_FAILED.test(answer.toString())))

    t.match(await client.ask('SET', 'after', '1'), LOG_FAILED)
    t.equal(await client.ask('GET', 'before'), '$1\r\n1\r\n')
    t.match(await client.ask('GET', 'during'), LOG_FAILED, 'what may be lost is not shown')
    t.equal(await client.ask('PING'), '+PONG\r\n')
    const info = await node.info()
    t.equal(info.get('aof_last_write_status'), 'err')
    t.match(info.get('storage_log_failure'), /EIO/)
    t.match(await node.logged('log failed: writes are refused'), { level: 'error', error: /EIO/ })

    heal()
    t.match(await client.ask('SET', 'after', '1'), LOG_FAILED, 'a sync that works again proves nothing')
    t.match(await client.ask('FLUSHALL'), LOG_FAILED)
    await node.kill9()
    await node.startAgain()
    const again = await node.open()
    t.equal(await again.ask('GET', 'before'), '$1\r\n1\r\n')
    t.equal(await again.ask('EXISTS', 'after'), ':0\r\n', 'what was refused is not there')
    t.equal(await again.ask('SET', 'after', '2'), '+OK\r\n')
    t.equal((await node.info()).get('aof_last_write_status'), 'ok')
    t.match(await node.stop(), { code: 0, error: '' })
  },
)

for (const appendfsync of ['everysec', 'no']) {
  t.test(
    `a sync that fails in the background ends acknowledging, too (${appendfsync})`,
    { skip },
    async (t) => {
      const { node, fail, heal } = await start(t, [...SMALL_STORAGE, '--appendfsync', appendfsync])
      const acknowledged: number[] = []
      let client = await node.open()
      fail()
      // With "no" only the change from one segment to the next syncs, so these are large.
      const refusal = await until('a write to be refused', async () => {
        const number = acknowledged.length
        await client.send(pipeline(['SET', number, String(number).padEnd(VALUE_BYTES)]))
        const reply = await client.replyOrEnd()
        if (reply === null) client = await node.open()
        else if (reply.toString() === '+OK\r\n') acknowledged.push(number)
        else return reply.toString()
        return null
      })
      t.match(refusal, LOG_FAILED)
      t.ok(acknowledged.length > 0)
      t.equal((await node.info()).get('aof_last_write_status'), 'err')
      t.equal((await client.bulk('GET', 0))?.toString().trim(), '0')
      heal()
      await node.kill9()
      await node.startAgain()
      const again = await node.open()
      const values = await again.bulks('MGET', ...acknowledged)
      t.ok(
        values.every((value, number) => value?.toString().trim() === String(number)),
        `${values.length} writes`,
      )
    },
  )
}

t.test(
  'W3 with commit-failure-policy die a failed sync ends the node, which says why',
  { skip },
  async (t) => {
    const { node, fail, heal } = await start(t, ['--appendfsync', 'always', '--commit-failure-policy', 'die'])
    const client = await node.open()
    t.equal(await client.ask('SET', 'before', '1'), '+OK\r\n')
    fail()
    await client.send(pipeline(['SET', 'during', '1']))
    const ended = await node.ended
    t.equal(ended.code, 1)
    t.match(ended.error, /commit-failure-policy is die: .*EIO/)
    t.match(ended.out, /"event":"out of service: the node ends"/)
    heal()
    await node.startAgain()
    t.equal(await (await node.open()).ask('GET', 'before'), '$1\r\n1\r\n')
  },
)

t.test(
  'W3 H1 a node of three whose log has failed leaves service: its clients are served by the others, and it says why',
  { skip },
  async (t) => {
    const sync = new FailingSync(t)
    const only = (node: number): { env?: NodeJS.ProcessEnv } => (node === 0 ? { env: sync.env } : {})
    const cluster = await KindredCluster.start(t, { only, flags: ['--appendfsync', 'always'] })
    const [failing, other] = cluster.nodes
    let client = await failing.open()
    for (let key = 0; key < 50; key++) t.equal(await client.ask('SET', `key:${key}`, 'before'), '+OK\r\n')
    sync.fail()
    await until('the failure to be noticed', async () => {
      await client.send(pipeline(['SET', 'during', '1']))
      if ((await client.replyOrEnd()) === null) client = await failing.open()
      return (await failing.info()).get('storage_log_failure') === '' ? null : true
    })
    const answers = new Set<string>()
    for (let key = 0; key < 50; key++) {
      answers.add(await client.ask('GET', `key:${key}`))
      answers.add(await client.ask('SET', `key:${key}`, 'after'))
      answers.add(await client.ask('INCR', `count:${key}`))
    }
    t.same([...answers].sort(), ['$6\r\nbefore\r\n', '+OK\r\n', ':1\r\n'], 'all of it goes through')
    const info = await failing.info()
    t.match(info.get('storage_log_failure'), /EIO/)
    t.match(
      (await other.info()).get(`cluster_member_${failing.name}`),
      /log/,
      'the others see why it is unfit',
    )
    t.match(failing.said, /"event":"out of service: the node writes nothing until it is started again"/)
    const reader = await other.open()
    t.equal(await reader.ask('GET', 'key:7'), '$5\r\nafter\r\n')
    sync.heal()
    await failing.kill9()
    await failing.startAgain()
    await cluster.linked()
    client = await failing.open()
    for (let key = 0; key < 50; key++) t.equal(await client.ask('GET', `key:${key}`), '$5\r\nafter\r\n')
  },
)

t.test('a node whose log cannot be synced does not start, and says why', { skip }, async (t) => {
  const { node, fail, heal } = await start(t, [])
  t.equal(await (await node.open()).ask('SET', 'a', '1'), '+OK\r\n')
  await node.kill9()
  fail()
  node.spawn()
  const ended = await node.ended
  t.equal(ended.code, 1)
  t.match(ended.error, /kindred: .*EIO/)
  heal()
  await node.startAgain()
  t.equal(await (await node.open()).ask('GET', 'a'), '$1\r\n1\r\n')
})

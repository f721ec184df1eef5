/** Many clients on one keyspace that is larger than memory: counters, scans, times to live and counts stay right. */
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { Seeded } from '../support/seeded.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'
import type { WireClient } from '../support/wire-client.js'

const KB = 1024
const COUNTERS = 40
const CLIENTS = 6
const LASTING_KEYS = 3_000
const SCANS_MIN = 3
const CHURN_WRITES = 2_000
const CHURN_PIPELINE = 10

/** Writes values of 20 KB under passing keys: segments rotate, tables are written and merged. */
class Churn {
  readonly done: Promise<void>
  isDone = false

  constructor(client: WireClient, seed: number) {
    this.done = this.#run(client, new Seeded(seed))
  }

  async #run(client: WireClient, random: Seeded): Promise<void> {
    for (let written = 0; written < CHURN_WRITES; written += CHURN_PIPELINE) {
      const batch = Array.from({ length: CHURN_PIPELINE }, () => {
        const key = `passing:${random.below(300)}`
        return random.chance(3) ? ['DEL', key] : ['SET', key, Buffer.alloc(random.below(40 * KB), 'x')]
      })
      void client.send(pipeline(...batch))
      await client.replies(batch.length)
    }
    this.isDone = true
  }
}

async function wentThroughTables(t: Test, node: KindredNode): Promise<void> {
  const info = await node.info()
  t.comment(`${info.get('storage_flushes')} flushes, ${info.get('storage_compactions')} compactions`)
  t.ok(Number(info.get('storage_flushes')) > 0 && Number(info.get('storage_compactions')) > 0)
}

t.test(
  'V2 counters of many clients count every increment once, while they go to disk and come from it',
  async (t) => {
    const node = await KindredNode.start(t, { flags: [...SMALL_STORAGE, '--appendfsync', 'everysec'] })
    const churn = new Churn(await node.open(), 1)
    const sums = new Array<number>(COUNTERS).fill(0)
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, c) => {
        const client = await node.open()
        const random = new Seeded(100 + c)
        while (!churn.isDone) {
          const batch = Array.from({ length: 20 }, () => {
            const counter = random.below(COUNTERS)
            const by = 1 + random.below(9)
            sums[counter] += by
            return ['INCRBY', `counter:${counter}`, by]
          })
          void client.send(pipeline(...batch))
          await client.replies(batch.length)
        }
      }),
    )
    await churn.done
    await wentThroughTables(t, node)
    const client = await node.open()
    const names = sums.map((_, i) => `counter:${i}`)
    t.same((await client.bulks('MGET', ...names)).map(Number), sums)
    await node.kill9()
    await node.startAgain()
    t.same((await (await node.open()).bulks('MGET', ...names)).map(Number), sums, 'also after kill -9')
  },
)

t.test(
  'R4 a scan sees every key that is there throughout exactly once, whatever is written meanwhile',
  async (t) => {
    const node = await KindredNode.start(t, { flags: [...SMALL_STORAGE, '--appendfsync', 'everysec'] })
    const client = await node.open()
    const lasting = Array.from({ length: LASTING_KEYS }, (_, i) => `lasting:${i}`)
    void client.send(pipeline(...lasting.map((key) => ['SET', key, 'x'.repeat(500)])))
    await client.replies(lasting.length)
    const churn = new Churn(await node.open(), 2)
    const rewriter = await node.open()
    const random = new Seeded(3)
    for (let scan = 0; scan < SCANS_MIN || !churn.isDone; scan++) {
      const seen: string[] = []
      let cursor = '0'
      let calls = 0
      do {
        // A lasting key that is written again stays where it is.
        await rewriter.ask('SET', random.pick(lasting), 'y')
        const reply = await client.ask('SCAN', cursor, 'MATCH', 'lasting:*', 'COUNT', 1 + random.below(200))
        const [, next] = /^\*2\r\n\$\d+\r\n(\d+)\r\n/.exec(reply) ?? []
        seen.push(...Array.from(reply.matchAll(/\r\n(lasting:\d+)\r\n/g), ([, key]) => key))
        cursor = next
        calls++
      } while (cursor !== '0')
      t.comment(`${calls} calls`)
      t.same(seen.toSorted(), lasting.toSorted())
    }
    await churn.done
    await wentThroughTables(t, node)
  },
)

t.test('keys die at their time, also over kill -9, and DBSIZE counts the rest', async (t) => {
  const node = await KindredNode.start(t, { flags: SMALL_STORAGE })
  const client = await node.open()
  const now = Date.now()
  await client.send(
    pipeline(
      ['SET', 'soon', '1', 'PXAT', now + 1500],
      ['SET', 'later', '1', 'PXAT', now + 600_000],
      ['SET', 'shortened', '1', 'EX', '600'],
      ['PEXPIREAT', 'shortened', now + 1500],
      ['SET', 'prolonged', '1', 'PXAT', now + 1500],
      ['PERSIST', 'prolonged'],
      ['SET', 'hides', 'an older value'],
      ['SET', 'hides', 'a newer one', 'PXAT', now + 1500],
      ['SET', 'stays', '1'],
      ['SET', 'deleted', '1'],
      ['DEL', 'deleted'],
    ),
  )
  t.notOk((await client.replies(11)).some((reply) => reply.toString().startsWith('-')))
  // Into tables, so that what dies lies beside, above and below what lives.
  for (let i = 0; i < 100; i++) await client.ask('SET', `filler:${i}`, 'x'.repeat(30 * KB))
  await node.kill9()
  await node.startAgain()
  const again = await node.open()
  t.equal(await again.ask('PEXPIRETIME', 'later'), `:${now + 600_000}\r\n`)
  t.equal(await again.ask('TTL', 'prolonged'), ':-1\r\n')
  await until('the first keys to die', async () => (await again.ask('EXISTS', 'soon')) === ':0\r\n')
  t.ok(Date.now() >= now + 1500, 'not before their time')
  t.same(
    (await again.bulks('MGET', 'soon', 'shortened', 'hides', 'deleted')).filter((value) => value !== null),
    [],
  )
  t.equal(await again.ask('EXISTS', 'later', 'prolonged', 'stays'), ':3\r\n')
  await until('DBSIZE to follow', async () => (await again.ask('DBSIZE')) === ':103\r\n')
  await node.kill9()
  await node.startAgain()
  const last = await node.open()
  t.equal(await last.ask('DBSIZE'), ':103\r\n', 'counted alike after another restart')
  t.equal(await last.ask('GET', 'hides'), '$-1\r\n')
})

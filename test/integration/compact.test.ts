/** Compaction as an operator sees it: strategies by prefix, KV.COMPACT, INFO and the status of a node. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KindredNode, SMALL_STORAGE, temporaryDirectory } from '../support/kindred-node.js'
import { runKindred } from '../support/kindred-process.js'
import { until } from '../support/until.js'
import type { WireClient } from '../support/wire-client.js'

const ROUNDS = 12
const KEYS = 400
const VALUE = 'v'.repeat(1000)

/** Half of it is size-tiered. */
async function fill(client: WireClient): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < KEYS; i += 50) {
      const pairs = Array.from({ length: 50 }, (_, j) => [
        `event:${round}:${i + j}`,
        VALUE,
        `plain:${i + j}`,
        `${round} ${VALUE}`,
      ])
      t.equal(await client.ask('MSET', ...pairs.flat()), '+OK\r\n')
    }
  }
}

interface Facts {
  readonly byFamily: Record<string, { compactions: number; readBytes: number; writtenBytes: number }>
  readonly byReason: Record<string, number>
  readonly wanted: { isDone: boolean; leftBytes: number; totalBytes: number; compactions: number } | null
}

async function factsOf(client: WireClient): Promise<Facts> {
  return JSON.parse(String(await client.bulk('KV.COMPACT'))) as Facts
}

t.test(
  'keys of a prefix are size-tiered, KV.COMPACT compacts them all, and INFO and status say so',
  async (t) => {
    const config = join(temporaryDirectory(t), 'node.yaml')
    writeFileSync(
      config,
      'port: 0\nstorage:\n  policies:\n    - { prefix: "event:", compaction: size-tiered }\n',
    )
    const node = await KindredNode.start(t, { config, flags: SMALL_STORAGE })
    const client = await node.open()
    await fill(client)
    // What is due anyway may have rewritten everything before it is its turn; then it is asked for again.
    await until('a compaction that was asked for', async () => {
      t.equal(await client.ask('KV.COMPACT', 'ALL'), '+Background compaction started\r\n')
      await until('its end', async () => (await factsOf(client)).wanted?.isDone === true)
      return (await factsOf(client)).wanted?.compactions !== 0
    })
    const { byFamily, byReason, wanted } = await factsOf(client)
    t.ok(byFamily['leveled'].compactions > 0 && byFamily['leveled'].writtenBytes > 0)
    t.ok(byFamily['size-tiered'].compactions > 0 && byFamily['size-tiered'].readBytes > 0)
    t.ok(byReason['wanted'] > 0, JSON.stringify(byReason))
    t.ok(wanted !== null && wanted.totalBytes > 0 && wanted.leftBytes === 0 && wanted.compactions > 0)
    t.equal(await client.bulk('GET', 'event:3:7').then(String), VALUE)
    t.equal(await client.bulk('GET', 'plain:7').then(String), `${ROUNDS - 1} ${VALUE}`)
    t.equal(await client.ask('DBSIZE'), `:${ROUNDS * KEYS + KEYS}\r\n`)

    const info = await node.info()
    t.match(info.get('storage_compactions_by_family'), /^leveled=[1-9]\d*,size-tiered=[1-9]\d*,window=0$/)
    t.match(info.get('storage_compactions_by_reason'), /wanted=[1-9]/)
    t.match(info.get('storage_write_amplification'), /^[1-9]\d*\.\d\d$/)
    t.match(info.get('storage_compaction_wanted'), /^done .*Z, [1-9]\d* compactions of [1-9]\d* bytes$/)
    t.equal(info.get('storage_compaction_running'), '')
    t.equal(info.get('storage_write_delay_max_ms'), '100')
    const status = await runKindred(['status', '--port', String(node.port)])
    t.match(status.out, /write amplification +\d+\.\d\d\n(.*\n)*compaction asked for +done/)
    client.close()
  },
)

t.test(
  'writes that outrun compaction are delayed, each by no more than the setting, and that is counted',
  async (t) => {
    const triggers = [
      '--level0-compaction-trigger',
      '1',
      '--level0-slowdown-trigger',
      '2',
      '--level0-stop-trigger',
      '3',
    ]
    const flags = [...SMALL_STORAGE, ...triggers, '--write-stall-delay-max', '5']
    const node = await KindredNode.start(t, { flags })
    const client = await node.open()
    const stalled = async () => {
      await fill(client)
      return Number((await node.info()).get('storage_write_delays')) > 0
    }
    await until('a delay', stalled)
    const info = await node.info()
    const [delays, delayedMs] = ['storage_write_delays', 'storage_write_delayed_ms'].map((name) =>
      Number(info.get(name)),
    )
    t.ok(delayedMs > 0 && delayedMs <= delays * 5, `${delays} delays, ${delayedMs} ms`)
    t.equal(info.get('storage_write_delay_max_ms'), '5')
    client.close()
  },
)

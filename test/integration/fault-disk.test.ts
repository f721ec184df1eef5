/**
 * One node of three whose disk fails while clients of all three go on: it is full, or its syncs fail. The node is no home any more
 * (RULES H1), its peers take its keys, and nothing acknowledged is missing once it is well.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { nothingIsMissing } from '../support/history-verdict.js'
import type { SeenError } from '../support/cluster-history.js'
import { FailingSync } from '../support/failing-sync.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { SMALL_STORAGE } from '../support/kindred-node.js'
import { SmallDisk } from '../support/small-disk.js'
import { until } from '../support/until.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const WORKERS = 3
/** Requests that go on being done before the next event. */
const A_WHILE = 60

/** What the node itself refused, also for clients of others: nothing was applied. */
function isRefusal({ text }: SeenError): boolean {
  return /^-MISCONF Errors writing to the AOF file: /.test(text)
}

async function takenForUnfit(by: readonly ClusterNode[], node: ClusterNode, reason: RegExp): Promise<void> {
  for (const other of by) {
    await until(`${other.name} sees ${node.name} unfit`, async () => {
      const unfit = /unfit=([^,]*)/.exec((await other.info()).get(`cluster_member_${node.name}`) ?? '')
      return reason.test(unfit?.[1] ?? '')
    })
  }
}

t.test(
  'H1 a node whose disk is full is home of nothing, and is again when there is room',
  { skip: SmallDisk.skip() },
  async (t) => {
    const disk = new SmallDisk()
    t.teardown(() => disk.remove())
    const cluster = await KindredCluster.start(t, {
      only: (node) =>
        node === 0
          ? { directory: join(disk.path, 'data'), flags: [...SMALL_STORAGE, '--disk-reserve', '6mb'] }
          : {},
    })
    const [full, ...others] = cluster.nodes
    const history = new ClusterHistory(cluster, 31)
    history.start(WORKERS)
    await history.goesOn(cluster.nodes, A_WHILE)
    history.gone.add(full)
    const filler = join(disk.path, 'more')
    writeFileSync(filler, Buffer.alloc(Math.max(0, disk.freeBytes - 2_000_000)))
    await takenForUnfit(others, full, /disk/)
    history.gone.delete(full)
    await history.goesOn(cluster.nodes, A_WHILE)

    const client = await full.open()
    t.teardown(() => client.close())
    for (let i = 0; i < 50; i++) {
      t.equal(await client.ask('SET', `full:${i}`, 'x'), '+OK\r\n', 'its own clients can write any key')
    }
    rmSync(filler)
    rmSync(disk.filler)
    await cluster.linked()
    await history.goesOn(cluster.nodes, A_WHILE)
    await nothingIsMissing(t, history, isRefusal)
    t.ok(history.exactCounters > 0, `${history.exactCounters} counters were exact`)
  },
)

t.test(
  'H1 W3 a node whose syncs fail is home of nothing until it has been started again',
  { skip: FailingSync.skip() },
  async (t) => {
    const sync = new FailingSync(t)
    const cluster = await KindredCluster.start(t, { only: (node) => (node === 0 ? { env: sync.env } : {}) })
    const [failing, ...others] = cluster.nodes
    const history = new ClusterHistory(cluster, 32)
    history.start(WORKERS)
    await history.goesOn(cluster.nodes, A_WHILE)
    history.gone.add(failing)
    sync.fail()
    await takenForUnfit(others, failing, /log/)
    await history.goesOn(others, A_WHILE)
    sync.heal()
    await takenForUnfit(others, failing, /log/)
    await failing.kill9()
    await failing.startAgain()
    await cluster.linked()
    history.gone.delete(failing)
    await cluster.linked()
    await history.goesOn(cluster.nodes, A_WHILE)
    await nothingIsMissing(t, history, isRefusal)
  },
)

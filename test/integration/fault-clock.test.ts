/**
 * One node of three whose wall clock jumps while clients of all three go on: an hour ahead, an hour back. It mints nothing
 * meanwhile (RULES C1), the others take its keys, nothing is lost, nothing expires early or lives longer (RULES T5), and when the
 * clock is right again the node is home as before.
 */
import t from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { nothingIsMissing } from '../support/history-verdict.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { ShiftedClock } from '../support/shifted-clock.js'
import { until } from '../support/until.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const skip = ShiftedClock.skip()
const HOUR_MS = 3_600_000
const WORKERS = 3
/** Requests that go on being done before the next event. */
const A_WHILE = 60
const KEYS = 40

async function isUnfit(by: ClusterNode, node: ClusterNode): Promise<boolean> {
  return (await by.info()).get(`cluster_member_${node.name}`)?.includes('unfit=clock') === true
}

for (const [how, aheadMs] of [
  ['ahead', HOUR_MS],
  ['back', -HOUR_MS],
] as const) {
  t.test(`C1 T5 a clock that jumps an hour ${how} costs nothing but its node's keys`, { skip }, async (t) => {
    const clock = new ShiftedClock(t)
    const cluster = await KindredCluster.start(t, { only: (node) => (node === 0 ? { env: clock.env } : {}) })
    const [wrong, ...others] = cluster.nodes
    const client = await wrong.open()
    t.teardown(() => client.close())
    // Half of them dead in half an hour, by any right clock.
    for (let i = 0; i < KEYS; i++) t.equal(await client.ask('SET', `half:${i}`, 'x', 'EX', 1800), '+OK\r\n')

    const history = new ClusterHistory(cluster, 41)
    history.start(WORKERS)
    await history.goesOn(cluster.nodes, A_WHILE)
    clock.shift(aheadMs)
    for (const other of others) await until(`${other.name} notices`, () => isUnfit(other, wrong))
    await history.goesOn(cluster.nodes, A_WHILE)
    for (const node of cluster.nodes) {
      const asker = await node.open()
      t.teardown(() => asker.close())
      const values = await asker.bulks('MGET', ...Array.from({ length: KEYS }, (_, i) => `half:${i}`))
      t.ok(
        values.every((value) => value?.toString() === 'x'),
        `nothing has expired for ${node.name}`,
      )
    }
    const right = await others[0].open()
    t.teardown(() => right.close())
    for (let i = 0; i < KEYS; i++) t.equal(await right.ask('SET', `brief:${i}`, 'x', 'PX', 300), '+OK\r\n')
    await until('what has expired is gone for the wrong clock, too', async () => {
      const values = await client.bulks('MGET', ...Array.from({ length: KEYS }, (_, i) => `brief:${i}`))
      return values.every((value) => value === null)
    })
    clock.shift(0)
    for (const other of others)
      await until(`${other.name} sees it well`, async () => !(await isUnfit(other, wrong)))
    await cluster.linked()
    await history.goesOn(cluster.nodes, A_WHILE)
    await nothingIsMissing(t, history)
    t.ok(history.exactCounters > 0, `${history.exactCounters} counters were exact`)
  })
}

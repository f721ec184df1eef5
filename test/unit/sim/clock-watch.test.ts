/** RULES T5: when nodes can know what time it is. */
import t from 'tap'
import { ClockWatch } from '../../../src/sim/run/clock-watch.js'
import { SimCluster } from '../../../src/sim/sim-cluster.js'
import type { SimNode } from '../../../src/sim/sim-node.js'

const LOOKS = 40
const LOOK_EVERY_MS = 100

t.test('T5 the time is known where two clocks agreed since a start, or none is wrong', async (t) => {
  const cluster = await SimCluster.started({ seed: 'clock watch' })
  const [first, second, third] = cluster.nodes
  const wrong = new Set<SimNode>()
  const watch = new ClockWatch(cluster, (node) => wrong.has(node))
  const known = async (): Promise<boolean> => {
    for (let i = 0; i < LOOKS; i++) {
      watch.isTimeKnown()
      await cluster.run(LOOK_EVERY_MS)
    }
    return watch.isTimeKnown()
  }
  wrong.add(first)
  t.notOk(watch.isTimeKnown(), 'nobody has heard anybody')
  t.ok(await known(), 'each has heard two right ones, or is one and has heard another')

  cluster.isolate(second)
  t.ok(await known(), 'what was known goes on')
  second.crash('keep-all')
  await cluster.start(second)
  t.notOk(await known(), 'it has heard nobody since it was started')
  cluster.heal()
  cluster.network.partition(second.address, third.address)
  t.notOk(await known(), 'one wrong clock tells it nothing')
  wrong.clear()
  t.ok(watch.isTimeKnown(), 'none is wrong')
  wrong.add(first)
  cluster.heal()
  t.ok(await known())
})

/** RULES C1, T5: nobody mints under a wrong clock; what has expired stays away while clocks differ and nobody hears enough of them to count. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { NOTICED_MS, heldBy, keysAt } from './cluster-world.js'

const HOUR_MS = 3_600_000
const BRIEFLY_MS = 1000

t.test('C1 a node that starts an hour ahead mints nothing, not in its first moments either', async (t) => {
  for (let seed = 0; seed < 2; seed++) {
    const cluster = await SimCluster.started({ seed: `first moments ${seed}` })
    const [wrong, other, third] = cluster.nodes
    const keys = keysAt(cluster, wrong)
    for (const node of cluster.nodes) node.crash('keep-all')
    wrong.clock.jumpWall(HOUR_MS)
    await cluster.start(other)
    await cluster.run(30)
    await cluster.start(wrong)
    // As seed 13 of the profile clocks had it: stamps of the future, which the third refuses for an hour.
    const written: string[] = []
    for (let i = 0; i < 60; i++) {
      const client = cluster.client(i % 2 === 0 ? wrong : other)
      const key = keys.next().value
      if ((await cluster.ask(client, 'SET', key, 'x')) === 'OK') written.push(key)
      client.close()
      await cluster.run(2)
    }
    wrong.clock.setRight()
    await cluster.start(third)
    await cluster.run(2 * NOTICED_MS)
    t.ok(written.length > 10)
    for (const key of written) t.same(await heldBy(cluster, key), ['x', 'x', 'x'])
  }
})

/** Two keys, one of which has died, and one that lives for half an hour. */
async function brief(cluster: SimCluster): Promise<[string, string]> {
  const [home] = cluster.nodes
  const keys = keysAt(cluster, home)
  const [dead, living] = [keys, keys].map((each) => each.next().value)
  const client = cluster.client(home)
  await cluster.ask(client, 'SET', dead, 'dead', 'PX', String(BRIEFLY_MS))
  await cluster.ask(client, 'SET', living, 'living', 'PX', String(HOUR_MS / 2))
  client.close()
  await cluster.run(2 * BRIEFLY_MS)
  return [dead, living]
}

for (const wrongMs of [-HOUR_MS, HOUR_MS]) {
  const how = wrongMs < 0 ? 'back' : 'ahead'

  t.test(`T5 a right clock is not given up for the only other one, an hour ${how}`, async (t) => {
    const cluster = await SimCluster.started({ seed: `right ${how}` })
    const [wrong, asked, third] = cluster.nodes
    const [dead, living] = await brief(cluster)
    // As seed 752 had it: the wrong one comes back as if nothing were wrong, and the asked one has nobody else to ask.
    await cluster.stop(wrong)
    cluster.network.partition(asked.address, third.address)
    wrong.clock.jumpWall(wrongMs)
    await cluster.start(wrong)
    await cluster.run(NOTICED_MS)
    const client = cluster.client(asked)
    t.equal(await cluster.ask(client, 'GET', dead), null)
    t.equal(await cluster.ask(client, 'GET', living), 'living')
  })

  t.test(`T5 a clock an hour ${how} that two have refuted is not believed against one of them`, async (t) => {
    const cluster = await SimCluster.started({ seed: `refuted ${how}` })
    const [wrong, , third] = cluster.nodes
    const [dead, living] = await brief(cluster)
    await cluster.stop(wrong)
    wrong.clock.jumpWall(wrongMs)
    await cluster.start(wrong)
    await cluster.run(NOTICED_MS)
    await cluster.stop(third)
    await cluster.run(NOTICED_MS)
    const client = cluster.client(wrong)
    t.equal(await cluster.ask(client, 'GET', dead), null)
    t.equal(await cluster.ask(client, 'GET', living), 'living')
  })
}

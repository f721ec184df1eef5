/**
 * kill -9 under load, in all three modes of appendfsync: what was acknowledged is there after the restart, with its exact
 * value, and no MSET is there in part. The page cache survives a kill, so none of the modes may lose anything here;
 * what a power cut takes is tested on the simulated disk.
 *
 * Segments, tables and the block cache are as small as they can be, so that rotations, flushes and compactions are under
 * way when the kill comes.
 */
import { watch } from 'node:fs'
import t from 'tap'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { Seeded } from '../support/seeded.js'
import { problemsOf, writeUntilCrash } from '../support/write-load.js'
import type { Written } from '../support/write-load.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const ROUNDS = 5
const CONNECTIONS = 8
const WRITES_MIN = 2_000
const WRITES_SPREAD = 8_000
/** Kills in the middle of a start, each at a later change of the directory. */
const START_KILLS = 14

function sum(all: readonly Written[], field: 'sent' | 'acknowledged'): number {
  return all.reduce((total, written) => total + written[field], 0)
}

for (const { appendfsync, seed } of [
  { appendfsync: 'always', seed: 101 },
  { appendfsync: 'everysec', seed: 102 },
  { appendfsync: 'no', seed: 103 },
]) {
  t.test(`kill -9 under load loses nothing acknowledged (${appendfsync}, seed ${seed})`, async (t) => {
    const node = await KindredNode.start(t, { flags: [...SMALL_STORAGE, '--appendfsync', appendfsync] })
    const random = new Seeded(seed)
    const all: Written[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const options = {
        name: `round${round}`,
        connections: CONNECTIONS,
        enough: WRITES_MIN + random.below(WRITES_SPREAD),
        seed: seed * 1000 + round,
      }
      const written = await writeUntilCrash(node.port, options, () => node.kill9())
      all.push(...written)
      await node.startAgain()
      const { logBytes, bytesCut, tables } = await node.logged('data loaded')
      t.comment(
        `round ${round}: ${sum(written, 'acknowledged')} of ${sum(written, 'sent')} writes acknowledged; ` +
          `recovered ${String(logBytes)} bytes of log, cut ${String(bytesCut)}, ${String(tables)} tables`,
      )
      t.same(await problemsOf(node.port, written), [], `what round ${round} wrote`)
    }
    t.comment(`${ROUNDS} rounds, ${sum(all, 'acknowledged')} writes acknowledged, ${sum(all, 'sent')} sent`)
    t.same(await problemsOf(node.port, all), [], 'what all rounds wrote')
    t.match(await node.stop(), { code: 0, error: '' })
  })
}

t.test('kill -9 during a start, again and again, loses nothing acknowledged', async (t) => {
  const node = await KindredNode.start(t, { flags: [...SMALL_STORAGE, '--appendfsync', 'everysec'] })
  const all: Written[] = []
  const killedAt: number[] = []
  for (let change = 1; change <= START_KILLS; change++) {
    const options = { name: `start${change}`, connections: 4, enough: 1_500, seed: 200 + change }
    all.push(...(await writeUntilCrash(node.port, options, () => node.kill9())))
    killedAt.push(await startAndKill(node, change))
    await node.startAgain()
  }
  t.comment(`killed after so many changes of the directory: ${killedAt.join(', ')}`)
  t.comment(`${sum(all, 'acknowledged')} writes acknowledged, ${sum(all, 'sent')} sent`)
  t.ok(killedAt.length === START_KILLS && killedAt.every((count) => count > 0))
  t.same(await problemsOf(node.port, all), [])
})

/** Starts the node and kills it when its directory has changed so many times, or when it serves; answers how many it were. */
async function startAndKill(node: KindredNode, changes: number): Promise<number> {
  let seen = 0
  let enough: () => void = () => {}
  const changed = new Promise<void>((resolve) => (enough = resolve))
  const watcher = watch(node.directory, () => {
    if (++seen === changes) enough()
  })
  node.spawn()
  await Promise.race([changed, node.logged('serving')])
  await node.kill9()
  watcher.close()
  return Math.min(seen, changes)
}

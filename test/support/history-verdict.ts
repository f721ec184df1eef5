/** What has to hold at the end of every story in which clients of a cluster wrote and read through faults. */
import type { Test } from 'tap'
import type { ClusterHistory, SeenError } from './cluster-history.js'
import { until } from './until.js'

const CONVERGED_DEADLINE_MS = 120_000

/**
 * Ends the load. All nodes must be linked: each of them comes to have by itself all that was acknowledged, without a read; none
 * is lost, nothing was made up or brought back; reads on the way saw what had been acknowledged, and errors were honest.
 * `isHonest`: further errors that the story brings with it.
 */
export async function nothingIsMissing(
  t: Test,
  history: ClusterHistory,
  isHonest: (error: SeenError) => boolean = () => false,
): Promise<void> {
  await history.stop()
  t.comment(history.summary())
  await until('every node has everything itself', () => history.isOnAllNodes(), CONVERGED_DEADLINE_MS).catch(
    async (error) => t.same(await history.verdict('ONE'), { lost: [], phantoms: [], resurrected: [] }, error),
  )
  t.same(await history.verdict(), { lost: [], phantoms: [], resurrected: [] })
  t.same(history.staleReads, [], 'every read saw what had been acknowledged')
  t.same(
    history.dishonest.filter((error) => !isHonest(error)),
    [],
    'errors were honest',
  )
}

import t from 'tap'
import { snapshotFloors } from '../../../src/repair/snapshot-floors.js'
import type { SnapshotMemory } from '../../../src/repair/snapshot-floors.js'

const HOUR_MS = 3600_000

interface Exchange {
  readonly node: string
  readonly atMs: number
  readonly sequence: number
}

/** What a node remembered of the slots 0 to 99. */
function memory(
  nodeId: string,
  horizonMs: number,
  exchanges: readonly Exchange[],
  floor = 0,
): SnapshotMemory {
  return {
    nodeId,
    repair: {
      startCounter: 1,
      members: [],
      ranges: [
        {
          firstSlot: 0,
          lastSlot: 99,
          horizonMs,
          staleReason: null,
          floor,
          isFloorFinal: floor > 0,
          exchanges: exchanges.map(({ node, atMs, sequence }) => ({
            node,
            ownMs: atMs,
            theirsMs: atMs,
            sequence,
          })),
        },
      ],
    },
  }
}

t.test(
  'P2 what a node had held when another purged what it may not have seen deleted counts as absent',
  async (t) => {
    const purged = memory('a', 5 * HOUR_MS, [{ node: 'b', atMs: 6 * HOUR_MS, sequence: 40 }])
    const behind = memory('b', 0, [{ node: 'a', atMs: 4 * HOUR_MS, sequence: 70 }])
    const [a, b] = snapshotFloors([purged, behind])
    t.equal(a[50], 0)
    t.equal(b[50], 70, 'up to its last exchange; what came later is kept')
    t.equal(b[100], 0, 'in the slots that it is about')
  },
)

t.test(
  'P2 a node that has exchanged since is believed, and so are two that are stale towards each other',
  async (t) => {
    const purged = memory('a', 5 * HOUR_MS, [{ node: 'b', atMs: 6 * HOUR_MS, sequence: 40 }])
    const fresh = memory('b', 0, [{ node: 'a', atMs: 6 * HOUR_MS, sequence: 70 }])
    t.equal(snapshotFloors([purged, fresh])[1][50], 0)
    const one = memory('a', 5 * HOUR_MS, [{ node: 'b', atMs: HOUR_MS, sequence: 40 }])
    const two = memory('b', 5 * HOUR_MS, [{ node: 'a', atMs: HOUR_MS, sequence: 70 }])
    t.same(
      snapshotFloors([one, two]).map((floors) => floors[50]),
      [0, 0],
    )
  },
)

t.test('a floor that the node itself had stays, and a node that was alone has none', async (t) => {
  const [own, alone] = snapshotFloors([memory('a', 0, [], 33), { nodeId: '', repair: null }])
  t.equal(own[0], 33)
  t.equal(alone[0], 0)
})

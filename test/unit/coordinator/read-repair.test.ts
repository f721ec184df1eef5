/** A repair whose operation ends while it waits for blocks or for room. */
import t from 'tap'
import type { BlockLoad } from '../../../src/coordinator/block-load.js'
import type { Coordinator } from '../../../src/coordinator/coordinator.js'
import { OperationTable, REPAIRING, SETTLED } from '../../../src/coordinator/operation.js'
import { ReadRepair } from '../../../src/coordinator/read-repair.js'
import { MERGE_COLD } from '../../../src/coordinator/record-merger.js'
import { encodeRecord } from '../../../src/record/record.js'

const KEY = Buffer.from('key')
const OTHER = 1

t.test('blocks that come when the operation has ended change nothing', async (t) => {
  const operations = new OperationTable()
  // A reply that waits for its turn: the operation has ended and is not given back.
  const operation = operations.take({ settled: () => {}, holds: () => {}, takes: () => true }, REPAIRING, 0)
  const told: string[] = []
  let loaded: ((load: BlockLoad) => void) | null = null
  const other = { askRecord: () => 1, sendRecord: () => -1 }
  const coordinator = {
    operations,
    stampLimit: () => Number.MAX_SAFE_INTEGER,
    topology: {
      ring: { replicas: 2, listHash: () => 0, placeOf: () => 1 },
      servingPeerAt: (_slot: number, place: number) => (place === 1 ? other : null),
    },
    counters: {},
    merger: {
      merge: () => MERGE_COLD,
      find: () => MERGE_COLD,
      startLoads: (onLoaded: (load: BlockLoad) => void) => {
        loaded = onLoaded
      },
    },
    noReplicas: () => told.push('no replicas'),
    fail: () => told.push('failed'),
    repaired: () => told.push('repaired'),
  } as unknown as Coordinator
  operation.repair = new ReadRepair(coordinator, operation, [KEY], 2)
  operation.repair.start()
  operation.repair.answered(OTHER, encodeRecord({ key: KEY, siblings: [], context: [{ actor: 1, hlc: 1 }] }))
  operations.settle(operation)

  let released = 0
  const onLoaded = loaded as ((load: BlockLoad) => void) | null
  t.not(onLoaded, null, 'the repair waits for a block')
  const error = new Error('not to be looked at')
  onLoaded?.({ error, release: () => released++ } as unknown as BlockLoad)
  t.same(told, [])
  t.equal(released, 1, 'the blocks are given back')
  t.equal(operation.state, SETTLED)
})

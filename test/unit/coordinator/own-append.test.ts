/** A home's own append that waits for a block of a disk which hangs: its operation ends, and the key stays held until it is done. */
import t from 'tap'
import type { BlockLoad } from '../../../src/coordinator/block-load.js'
import { ONE } from '../../../src/coordinator/consistency.js'
import { Coordinator } from '../../../src/coordinator/coordinator.js'
import { CoordinatorCounters } from '../../../src/coordinator/coordinator-counters.js'
import { OperationTable, QUEUED } from '../../../src/coordinator/operation.js'
import { MERGE_COLD } from '../../../src/coordinator/record-merger.js'
import { RecordOverlay } from '../../../src/coordinator/record-overlay.js'
import { EventQueue } from '../../../src/sim/event-queue.js'
import { SimClock } from '../../../src/sim/sim-clock.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

const KEY = Buffer.from('key')
const KEY_HASH = 7
const TIMEOUT_MS = 2000

t.test(
  'V10 a home that cannot append in time answers that the outcome is not known, and lets go of the key later',
  (t) => {
    const random = new SimRandom('own append')
    const queue = new EventQueue(random)
    const operations = new OperationTable()
    const overlay = new RecordOverlay()
    let loaded: ((load: BlockLoad) => void) | null = null
    let isCold = true
    const coordinator = new Coordinator({
      clock: new SimClock(queue),
      random,
      operations,
      topology: {
        ring: { replicas: 1, listHash: () => 0, memberAt: () => 0 },
        self: 0,
        livePeerAt: () => null,
        servingPeerAt: () => null,
      },
      keyspace: { overlay },
      merger: {
        merge: () => (isCold ? MERGE_COLD : 1),
        startLoads: (onLoaded: (load: BlockLoad) => void) => {
          loaded = onLoaded
        },
      },
      counters: new CoordinatorCounters(),
      settings: () => ({ writeTimeoutMs: TIMEOUT_MS, readTimeoutMs: TIMEOUT_MS, speculativeDelayMs: 20 }),
      missed: { missed: () => {}, uncertain: () => {} },
      stampLimit: () => Number.MAX_SAFE_INTEGER,
    } as unknown as ConstructorParameters<typeof Coordinator>[0])
    coordinator.start({ run: () => {}, fail: () => {} })

    const replies: string[] = []
    const operation = operations.take(
      {
        settled: (settled) => {
          replies.push(settled.reply.toString('latin1', 0, settled.replyLength))
          operations.release(settled)
        },
        holds: () => {},
        takes: () => true,
      },
      QUEUED,
      0,
    )
    operation.isWrite = true
    overlay.put(KEY_HASH, 0, KEY, 0, KEY.length, 10, null, 0)
    coordinator.propose(operation, ONE)
    t.ok(coordinator.gates.isHeld(KEY_HASH))
    while (queue.nowMs < TIMEOUT_MS / 2) queue.stepSync()
    t.same(replies, [])
    while (queue.nowMs < 2 * TIMEOUT_MS) queue.stepSync()
    t.equal(replies.length, 1)
    t.match(replies[0], /^-UNCERTAIN 0 of 1 /)
    t.ok(coordinator.gates.isHeld(KEY_HASH), 'the append may still come')

    isCold = false
    const onLoaded = loaded as ((load: BlockLoad) => void) | null
    onLoaded?.({ error: null, release: () => {} } as unknown as BlockLoad)
    t.notOk(coordinator.gates.isHeld(KEY_HASH))
    t.equal(replies.length, 1)
    t.ok(operations.take(operation.sink, QUEUED, 0) === operation, 'it is given back now, and not before')
    t.end()
  },
)

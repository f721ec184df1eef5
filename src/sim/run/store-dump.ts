/**
 * What a node's disk holds, read without the node: the directory of a copy of its disk is opened as a start would, in a world and
 * a time of its own, and all keys are walked. So the look changes nothing and takes no virtual time, and nothing of the node's
 * own way to read (levels, repair, caches) can hide anything from it.
 */
import { ColdBlocks } from '../../coordinator/cold-blocks.js'
import type { BlockLoad } from '../../coordinator/block-load.js'
import { placedMembers } from '../../node/member-list.js'
import type { NodeConfig } from '../../node/node-config.js'
import { storeOptions } from '../../node/storage-settings.js'
import { KIND_VALUE, recordLength } from '../../record/layout.js'
import { normaliseRecord } from '../../record/normalise.js'
import { decodeRecord, encodeRecord } from '../../record/record.js'
import type { RecordValue } from '../../record/record.js'
import { RepairState } from '../../repair/repair-state.js'
import { slotOf } from '../../ring/slot.js'
import { TOKEN_END } from '../../ring/token.js'
import { InlineJobs } from '../../storage/jobs/inline-jobs.js'
import { CorruptionError } from '../../storage/corruption-error.js'
import { Store } from '../../storage/store.js'
import type { CrashMode } from '../disk/sim-file.js'
import { EventQueue, microtasks } from '../event-queue.js'
import { SimClock } from '../sim-clock.js'
import type { SimDisk } from '../sim-disk.js'
import { SimLog } from '../sim-log.js'
import { SimRandom } from '../sim-random.js'

export interface HeldSibling {
  readonly actor: number
  readonly hlc: number
  readonly isValue: boolean
  readonly expireAtMs: number
  readonly value: string
}

export interface HeldRecord {
  readonly siblings: readonly HeldSibling[]
  /** Of the record as it counts: without what the flush mark covers. Equal records are equal bytes. */
  readonly bytes: Buffer
  readonly decoded: RecordValue
}

export interface StoreDump {
  readonly node: string
  /** By key; what counts as absent is not there. */
  readonly records: ReadonlyMap<string, HeldRecord>
  readonly flushMark: number
  /** P of the key's range, milliseconds since 1970: what is dead at or below it counts as absent (RULES P3). */
  readonly horizonMs: (key: string) => number
}

const DAMAGED_BLOCKS_MAX = 1000
const PAUSE_MS = 10
const PAGE = { visits: 1024, entries: 4096 }

/**
 * `mode`: 'keep-all' for what a reader of the disk sees now, 'lose-all' for what would be there after the power went. Rejects as a
 * start does when the directory is damaged; a disk without a directory holds nothing.
 */
export async function dumpStore(
  node: { readonly name: string; readonly config: NodeConfig; readonly disk: SimDisk },
  mode: CrashMode = 'keep-all',
): Promise<StoreDump> {
  const random = new SimRandom('dump')
  const queue = new EventQueue(random)
  const clock = new SimClock(queue)
  const disk = node.disk.clone(clock)
  disk.crash(mode)
  const { config, name } = node
  const records = new Map<string, HeldRecord>()
  if (config.cluster === null || !disk.exists(config.dir))
    return { node: name, records, flushMark: 0, horizonMs: () => 0 }
  const ring = placedMembers(disk, config.dir, config.cluster)
  const { ranges } = RepairState.open(ring, disk, clock, config.dir, () => {})
  const horizonMs = (key: string): number => {
    const bytes = Buffer.from(key, 'latin1')
    return ranges[ring.rangeOfSlot[slotOf(bytes, 0, bytes.length)]].horizonMs
  }
  const options = { ...storeOptions(config, ring), keepsDead: true, keepsTrees: false }
  const env = { disk, clock, random, log: new SimLog(), jobs: new InlineJobs(disk) }
  const nothing = (): void => {}
  const store = await driven(
    queue,
    Store.open(env, options, {
      onDurable: nothing,
      onRoom: nothing,
      onLogFailed: nothing,
      onReopened: nothing,
    }),
  )
  await driven(
    queue,
    walkAll(store, () => new Promise((resolve) => clock.after(PAUSE_MS, resolve)), keep),
  )
  const { flushMark } = store
  await driven(queue, store.close())
  return { node: name, records, flushMark, horizonMs }

  function keep(bytes: Buffer, record: number): void {
    const copy = Buffer.from(bytes.subarray(record, record + recordLength(bytes, record)))
    const decoded = normaliseRecord(decodeRecord(copy, 0), { flushMark: store.flushMark, purgeHorizonMs: 0 })
    if (decoded === null) return
    const siblings = decoded.siblings.map(({ actor, hlc, kind, expireAtMs, value }) => ({
      ...{ actor, hlc, expireAtMs },
      isValue: kind === KIND_VALUE,
      value: Buffer.from(value).toString('latin1'),
    }))
    const key = Buffer.from(decoded.key).toString('latin1')
    records.set(key, { siblings, decoded, bytes: Buffer.from(encodeRecord(decoded)) })
  }
}

async function walkAll(
  store: Store,
  pause: () => Promise<void>,
  visit: (bytes: Buffer, record: number) => void,
): Promise<void> {
  let patience = DAMAGED_BLOCKS_MAX
  const cold = new ColdBlocks(store)
  let held: BlockLoad | null = null
  try {
    for (let from = 0; from !== TOKEN_END;) {
      const page: Buffer[] = []
      const next = store.walk(
        from,
        PAGE,
        (bytes, record) => {
          page.push(Buffer.from(bytes.subarray(record, record + recordLength(bytes, record))))
          return true
        },
        (table, block) => cold.noteRun(table, block, PAGE.entries),
      )
      if (next === -1) {
        const before: BlockLoad | null = held
        held = await new Promise<BlockLoad>((resolve) => cold.startLoads(resolve, before))
        // A damaged table is taken out, and what else there is tells what the disk has.
        if (held.error === null) continue
        if (!(held.error instanceof CorruptionError) || --patience === 0) throw held.error
        await pause()
        continue
      }
      for (const record of page) visit(record, 0)
      from = next
    }
  } finally {
    cold.forget()
    held?.release()
  }
}

/** The result of a promise on a time of its own, which goes on as long as it needs. */
async function driven<T>(queue: EventQueue, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = (): void => {
    isSettled = true
  }
  promise.then(settle, settle)
  await microtasks()
  while (!isSettled) {
    queue.stepSync()
    await microtasks()
  }
  return promise
}

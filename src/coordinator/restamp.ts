/**
 * `kindred restamp`: finds the keys of a stopped node whose newest record holds stamps from the future and, if told to, replaces
 * those records (record/remint.ts; RULES C2).
 *
 *     1. All keys are walked, each with its newest entry. What is replaced is appended, as any write is, page by page, and a
 *        page is durable before the next one begins. So a crash leaves some records done and the others as they were,
 *        and the next run finds only the latter.
 *     2. The old entries are still there, below the new ones, and a start takes its HLC from the highest stamp in the log and in
 *        any table (RULES V4). So the directory is opened once more, as a store that keeps everything in its last level:
 *        the logs are flushed and the tables merged until none holds a stamp from the future. A run that finds nothing to
 *        replace but such old entries, because an earlier one was cut short here, does this part alone.
 *
 * Rejected for 2: a note in the manifest that stamps up to some sequence do not count. Compaction mixes old entries and new
 * ones in one table, and then nobody knows whose its highest stamp is.
 *
 * Nothing dead leaves the disk here: what may go is for the cluster to know (RULES P1).
 */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Random } from '../env/random.js'
import { maxHlc } from '../record/death.js'
import { hlcToWallMs, wallMsToHlc } from '../record/hlc.js'
import { keyLength, keyStart } from '../record/layout.js'
import { flush } from '../record/merge.js'
import { remint } from '../record/remint.js'
import { decodeRecord, encodeRecord } from '../record/record.js'
import { TOKEN_END } from '../ring/token.js'
import { LEVELED_ONLY } from '../storage/families.js'
import { EntryRef } from '../storage/entry.js'
import { InlineJobs } from '../storage/jobs/inline-jobs.js'
import { Store, WRITE_NOW } from '../storage/store.js'
import type { StoreOptions } from '../storage/store-options.js'
import type { BlockLoad } from './block-load.js'
import { ColdBlocks } from './cold-blocks.js'
import { MERGE_COLD, RecordMerger } from './record-merger.js'

export interface RestampEnv {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface RestampRequest {
  /** Stamps that lie further ahead of the wall clock are from the future. */
  readonly limitMs: number
  /** Whether records are replaced, and not only listed. */
  readonly apply: boolean
  /** Told about every key with stamps from the future; `key` is the callee's to keep. */
  onKey(key: Buffer, aheadMs: number): void
}

export interface RestampResult {
  /** Keys with stamps from the future. */
  readonly keys: number
  /** How far ahead of the wall clock the newest stamp lay at the beginning, old versions included; 0 when within the limit. */
  readonly aheadMs: number
  /** The same for the mark of the last FLUSHALL; unless it is 0, nothing is replaced. */
  readonly flushMarkAheadMs: number
}

/** Keys from the future that a page of the walk holds, and entries that it looks at. */
const PAGE = { visits: 256, entries: 1000 }
const LOOK_EVERY_MS = 10
const APPENDED = true

/**
 * Works on the directory of a node that does not run: the caller holds its lock. Rejects with CorruptionError, StoreError and
 * the disk's errors; what was replaced until then stays so, and it may be called again.
 */
export async function restamp(
  env: RestampEnv,
  options: StoreOptions,
  request: RestampRequest,
): Promise<RestampResult> {
  const { clock } = env
  const { limitMs } = request
  const nowMs = clock.wallMs()
  const aheadMs = (hlc: number): number => (hlc < futureFrom(nowMs, limitMs) ? 0 : hlcToWallMs(hlc) - nowMs)
  const safe: StoreOptions = { ...options, appendfsync: 'always', keepsDead: true }
  const result = await withStore(env, safe, async (open) => {
    const { store } = open
    const flushMarkAheadMs = aheadMs(store.flushMark)
    const apply = request.apply && flushMarkAheadMs === 0
    const walk = new Restamping(open, env, limitMs, apply, (key, hlc) =>
      request.onKey(key, hlcToWallMs(hlc) - nowMs),
    )
    return { keys: await walk.run(), aheadMs: aheadMs(store.loaded.maxHlc), flushMarkAheadMs }
  })
  if (request.apply && result.flushMarkAheadMs === 0 && result.aheadMs > 0) {
    await withStore(env, inOneLevel(safe), ({ store }) => untilForgotten(store, clock, limitMs))
  }
  return result
}

/** The first stamp that lies more than `limitMs` ahead, rounded down. Asked for anew wherever time may have passed. */
function futureFrom(nowMs: number, limitMs: number): number {
  return wallMsToHlc(nowMs + limitMs)
}

/** Settings under which every table is one of the levels, and too much for its level, but for the last one. */
function inOneLevel(options: StoreOptions): StoreOptions {
  const compaction = { ...options.compaction, l0Trigger: 1, levelBaseBytes: 1, levelMultiplier: 1 }
  return {
    ...options,
    compaction,
    families: LEVELED_ONLY,
    gathersFamilies: true,
    compactionBytesPerSecond: 0,
  }
}

/** Resolves once no log and no table holds a stamp from the future; rejects when a flush or a merge fails. */
async function untilForgotten(store: Store, clock: Clock, limitMs: number): Promise<void> {
  for (;;) {
    const { segments, lastJobError } = store.facts()
    // The one segment that is left is the empty one of this opening.
    if (segments === 1 && store.tablesMaxHlc < futureFrom(clock.wallMs(), limitMs)) return
    if (lastJobError !== '') throw new Error(`old versions were not removed: ${lastJobError}`)
    await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve))
  }
}

/** A store, and a way to wait for it. */
class OpenStore {
  store!: Store
  #wake: () => void = () => {}

  changed(): void {
    this.#wake()
  }

  /** Resolves once the condition holds, which is looked at whenever the store reports a change. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { logFailure } = this.store
      if (logFailure !== null) throw logFailure
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

async function withStore<T>(
  env: RestampEnv,
  options: StoreOptions,
  work: (open: OpenStore) => Promise<T>,
): Promise<T> {
  const open = new OpenStore()
  const changed = (): void => open.changed()
  open.store = await Store.open({ ...env, jobs: new InlineJobs(env.disk) }, options, {
    onDurable: changed,
    onRoom: changed,
    onLogFailed: changed,
    onReopened: changed,
  })
  try {
    return await work(open)
  } finally {
    await open.store.close()
  }
}

class Restamping {
  readonly #open: OpenStore
  readonly #store: Store
  readonly #clock: Clock
  readonly #limitMs: number
  readonly #apply: boolean
  readonly #onKey: (key: Buffer, hlc: number) => void
  /** Of all new dots: a record is replaced once in a run, so its dots are all different (RULES V1). */
  readonly #actor: number
  readonly #merger: RecordMerger
  readonly #entry = new EntryRef()
  readonly #cold: ColdBlocks

  constructor(
    open: OpenStore,
    { clock, random }: RestampEnv,
    limitMs: number,
    apply: boolean,
    onKey: (key: Buffer, hlc: number) => void,
  ) {
    this.#open = open
    this.#store = open.store
    this.#clock = clock
    this.#limitMs = limitMs
    this.#apply = apply
    this.#onKey = onKey
    this.#actor = random.next53()
    this.#cold = new ColdBlocks(open.store)
    this.#merger = new RecordMerger(open.store, clock, {
      policyOf: () => 'siblings',
      witness: () => {},
      horizonOf: () => 0,
      onCorruptDots: () => {},
    })
  }

  /** Answers how many keys hold stamps from the future. */
  async run(): Promise<number> {
    let count = 0
    for (let from = 0; from !== TOKEN_END;) {
      const { keys, next } = await this.#page(from)
      count += keys.length
      from = next
      if (!this.#apply) continue
      for (const key of keys) await this.#replace(key)
      const { sequence } = this.#store
      await this.#open.until(() => this.#store.durableSequence >= sequence)
    }
    return count
  }

  /** The keys from the future from a token on, all told, and the token to go on from. */
  #page(from: number): Promise<{ keys: readonly Buffer[]; next: number }> {
    const limitHlc = futureFrom(this.#clock.wallMs(), this.#limitMs)
    return this.#loading(() => {
      const found = new Map<Buffer, number>()
      const next = this.#store.walk(
        from,
        PAGE,
        (bytes, record) => {
          const hlc = maxHlc(bytes, record)
          if (hlc < limitHlc) return false
          const start = keyStart(record)
          found.set(Buffer.from(bytes.subarray(start, start + keyLength(bytes, record))), hlc)
          return true
        },
        (table, block) => this.#cold.noteRun(table, block, PAGE.entries),
      )
      if (next === -1) return null
      for (const [key, hlc] of found) this.#onKey(key, hlc)
      return { keys: [...found.keys()], next }
    })
  }

  /** In steps between which nothing else changes what is held, since nobody else writes (RULES V2). */
  async #replace(key: Buffer): Promise<void> {
    const record = await this.#loading(() => {
      if (this.#merger.find(key, 0, key.length, this.#entry) === MERGE_COLD) return this.#missing()
      return this.#reminted()
    })
    await this.#open.until(() => this.#store.admit(record.length) === WRITE_NOW)
    await this.#loading(() => (this.#merger.replace(record) === MERGE_COLD ? this.#missing() : APPENDED))
  }

  /** Of what was found last; as everything that is appended, without siblings at or below the flush mark (RULES P4). */
  #reminted(): Buffer {
    const { flushMark } = this.#store
    const nowMs = this.#clock.wallMs()
    const held = flush(decodeRecord(this.#entry.bytes, this.#entry.record), flushMark)
    const nowHlc = Math.max(wallMsToHlc(nowMs), flushMark)
    return encodeRecord(remint(held, futureFrom(nowMs, this.#limitMs), this.#actor, nowHlc))
  }

  #missing(): null {
    this.#cold.note()
    return null
  }

  /** Runs a step again until it answers something else than null, each time with the blocks loaded that it has noted. */
  async #loading<T>(step: () => T | null): Promise<T> {
    let held: BlockLoad | null = null
    try {
      for (;;) {
        const answer = step()
        if (answer !== null) return answer
        const before: BlockLoad | null = held
        held = await new Promise<BlockLoad>((resolve) => this.#cold.startLoads(resolve, before))
        if (held.error !== null) throw held.error
      }
    } finally {
      // A walk that ended early has noted blocks that nobody waits for.
      this.#cold.forget()
      held?.release()
    }
  }
}

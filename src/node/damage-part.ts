/**
 * What a node with replicas does about gaps in its store (storage/gap.ts): the ranges of the ring that a gap touches answer nobody from
 * that very step on, and are rebuilt from the others above the gap's floor (RULES T8, P2). The store forgets a gap once it is
 * on disk elsewhere that those ranges are stale: from then on it is the rebuild that knows what is missing.
 */
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { Clock, Timer } from '../env/clock.js'
import type { Log } from '../env/log.js'
import type { Ring } from '../ring/ring.js'
import { slotOfToken } from '../ring/token.js'
import type { StaleReason } from '../repair/staleness.js'
import type { Gap } from '../storage/gap.js'
import { isSameGap } from '../storage/gap.js'
import type { Store } from '../storage/store.js'

const LOOK_EVERY_MS = 200

/** See RepairPart.rebuildRange. */
export interface RangeRebuilds {
  rebuildRange(range: number, floorSequence: number, reason: StaleReason): Promise<void>
}

export class DamagePart {
  readonly #clock: Clock
  readonly #log: Log
  readonly #store: Store
  readonly #keyspace: LocalKeyspace
  readonly #ring: Ring
  readonly #self: number
  readonly #repair: RangeRebuilds
  /** Handed over, and not forgotten by the store. */
  #known: Gap[] = []
  /** Of those, whose ranges are on disk as stale. */
  #saved: Gap[] = []
  #timer: Timer | null = null
  #isRunning = false

  constructor(options: {
    readonly env: { readonly clock: Clock; readonly log: Log }
    readonly store: Store
    readonly keyspace: LocalKeyspace
    readonly ring: Ring
    readonly self: number
    readonly repair: RangeRebuilds
  }) {
    this.#clock = options.env.clock
    this.#log = options.env.log
    this.#store = options.store
    this.#keyspace = options.keyspace
    this.#ring = options.ring
    this.#self = options.self
    this.#repair = options.repair
  }

  /** What the start of the store has found; links to peers have to be there. Until then no range is served anyway: none is judged. */
  start(): void {
    this.#isRunning = true
    for (const gap of this.#store.gaps) this.note(gap)
  }

  /** The store's onGap. */
  note(gap: Gap): void {
    if (!this.#isRunning || this.#known.some((one) => isSameGap(one, gap))) return
    this.#known.push(gap)
    // RULES V6: dots that this node has issued are among what is lost.
    this.#keyspace.renewActor()
    const ranges = this.#rangesOf(gap)
    this.#log.warn('a gap in the data is filled by replicas', { file: gap.file, ranges: ranges.length })
    const asked = ranges.map((range) => this.#repair.rebuildRange(range, gap.floorSequence, 'damaged'))
    Promise.all(asked).then(
      () => this.#saved.push(gap),
      (error: unknown) => {
        this.#log.error('a gap was not handed over', { file: gap.file, error: String(error) })
        this.#known = this.#known.filter((one) => one !== gap)
      },
    )
    this.#lookSoon()
  }

  stop(): void {
    this.#isRunning = false
    this.#timer?.cancel()
  }

  /** Own ranges that the gap touches. */
  #rangesOf({ minToken, maxToken }: Gap): number[] {
    const firstSlot = slotOfToken(minToken)
    const lastSlot = slotOfToken(maxToken)
    return this.#ring.ranges().flatMap((one, range) => {
      const isTouched = one.firstSlot <= lastSlot && one.lastSlot >= firstSlot
      return isTouched && one.list.includes(this.#self) ? [range] : []
    })
  }

  #lookSoon(): void {
    if (this.#timer !== null || !this.#isRunning) return
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => {
      this.#timer = null
      this.#look()
      if (this.#known.length > 0 || this.#store.gaps.length > 0) this.#lookSoon()
    })
  }

  #look(): void {
    const recorded = this.#store.recordedGaps
    // One that was not handed over, or that stands for several.
    for (const gap of recorded) this.note(gap)
    for (const gap of this.#saved) {
      if (!recorded.some((one) => isSameGap(one, gap))) continue
      this.#saved = this.#saved.filter((one) => one !== gap)
      this.#store.closeGap(gap).catch((error: unknown) => {
        this.#log.error('a gap was not forgotten', { file: gap.file, error: String(error) })
        this.#saved.push(gap)
      })
    }
    const gaps = this.#store.gaps
    this.#known = this.#known.filter((gap) => gaps.some((one) => isSameGap(one, gap)))
    this.#saved = this.#saved.filter((gap) => this.#known.includes(gap))
  }
}

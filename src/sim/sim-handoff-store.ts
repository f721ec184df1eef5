/**
 * The handoff store of a simulated machine: a medium that outlives the node, and the store that a running node has of it. What was
 * written is visible a moment later and durable another moment later, as with LMDB; a crash takes what was not durable,
 * all of a write or nothing, up to a point that the seed chooses. It can be told to fail, or to be full.
 */
import type { HandoffEntry, HandoffStore, HandoffWrite } from '../repair/handoff-store.js'
import type { SimClock } from './sim-clock.js'
import type { SimRandom } from './sim-random.js'

const COMMIT_DELAY_MS = 1
const FLUSH_DELAY_MS = 4

interface Pending {
  readonly writes: readonly HandoffWrite[]
  isCommitted: boolean
}

export class SimHandoffMedium {
  /** Every write fails with this code, ENOSPC or EIO, until it is null again. */
  failsWith: string | null = null
  /** As of the last flush, by key in hexadecimal. */
  #durable = new Map<string, Buffer>()
  #visible = new Map<string, Buffer>()
  #sorted: string[] | null = null
  #pending: Pending[] = []

  /** Keys that would survive a crash now. */
  get durableCount(): number {
    return this.#durable.size
  }

  get count(): number {
    return this.#visible.size
  }

  /** Another medium with what is visible on this one. */
  copy(): SimHandoffMedium {
    const copy = new SimHandoffMedium()
    copy.#durable = new Map(this.#visible)
    copy.#visible = new Map(this.#visible)
    return copy
  }

  /** For a node on this machine. */
  open(clock: SimClock): HandoffStore {
    return new SimHandoffStore(this, clock)
  }

  /** The machine has died: of what was not flushed a beginning is left, none of it without `random`. */
  crash(random?: SimRandom): void {
    this.#keep(random === undefined ? 0 : random.below(this.#pending.length + 1))
  }

  /** The process has ended, and the machine lives on: what was visible stays. */
  keepAll(): void {
    this.#keep(this.#pending.filter(({ isCommitted }) => isCommitted).length)
  }

  #keep(writes: number): void {
    for (const one of this.#pending.slice(0, writes)) change(this.#durable, one.writes)
    this.#pending = []
    this.#visible = new Map(this.#durable)
    this.#sorted = null
  }

  /** The disk is another one. */
  wipe(): void {
    this.#durable = new Map()
    this.crash()
  }

  add(writes: readonly HandoffWrite[]): Pending {
    const pending = { writes, isCommitted: false }
    this.#pending.push(pending)
    return pending
  }

  /** It and all before it are visible. */
  commit(pending: Pending): void {
    const end = this.#pending.indexOf(pending) + 1
    for (const one of this.#pending.slice(0, end)) {
      if (!one.isCommitted) change(this.#visible, one.writes)
      one.isCommitted = true
    }
    this.#sorted = null
  }

  /** It and all before it are durable. */
  flush(pending: Pending): void {
    this.commit(pending)
    const end = this.#pending.indexOf(pending) + 1
    for (const { writes } of this.#pending.splice(0, end)) change(this.#durable, writes)
  }

  valueBytes(key: string): number {
    return this.#visible.get(key)?.length ?? -1
  }

  scan(from: string, end: string, entriesMax: number, bytesMax: number): HandoffEntry[] {
    this.#sorted ??= [...this.#visible.keys()].sort()
    const entries: HandoffEntry[] = []
    let bytes = 0
    for (let i = lowerBound(this.#sorted, from); i < this.#sorted.length; i++) {
      const key = this.#sorted[i]
      if (key >= end || entries.length === entriesMax || bytes >= bytesMax) break
      const value = this.#visible.get(key)
      if (value === undefined) continue
      bytes += value.length
      entries.push({ key: Buffer.from(key, 'hex'), value: Buffer.from(value) })
    }
    return entries
  }
}

class SimHandoffStore implements HandoffStore {
  readonly #medium: SimHandoffMedium
  readonly #clock: SimClock
  #closing: (() => void) | null = null
  #underWay = 0

  constructor(medium: SimHandoffMedium, clock: SimClock) {
    this.#medium = medium
    this.#clock = clock
  }

  apply(writes: readonly HandoffWrite[], done: (error: Error | null) => void): void {
    this.#underWay++
    const { failsWith } = this.#medium
    if (failsWith !== null) {
      this.#clock.after(COMMIT_DELAY_MS, () =>
        this.#end(done, Object.assign(new Error(failsWith), { code: failsWith })),
      )
      return
    }
    const copies = writes.map(({ key, value }) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }))
    const pending = this.#medium.add(copies)
    this.#clock.after(COMMIT_DELAY_MS, () => this.#medium.commit(pending))
    this.#clock.after(FLUSH_DELAY_MS, () => {
      this.#medium.flush(pending)
      this.#end(done, null)
    })
  }

  valueBytes(key: Buffer): number {
    return this.#medium.valueBytes(key.toString('hex'))
  }

  scan(from: Buffer, end: Buffer, entriesMax: number, bytesMax: number): readonly HandoffEntry[] {
    return this.#medium.scan(from.toString('hex'), end.toString('hex'), entriesMax, bytesMax)
  }

  wasRead(): void {}

  close(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#closing = resolve))
  }

  #end(done: (error: Error | null) => void, error: Error | null): void {
    done(error)
    if (--this.#underWay === 0) this.#closing?.()
  }
}

function change(map: Map<string, Buffer>, writes: readonly HandoffWrite[]): void {
  for (const { key, value } of writes) {
    if (value === null) map.delete(key.toString('hex'))
    else map.set(key.toString('hex'), value)
  }
}

function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] < key) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Keys that are written once each, and whether they were acknowledged: so that in the end every acknowledged write can be asked
 * for, and nothing else can stand in its place. A key's value follows from its number.
 */
import type { SlotRange } from '../../src/ring/slot-range.js'
import { SLOT_COUNT, slotOf } from '../../src/ring/slot.js'

const PREFIX = 'failover:'
const KEY_BYTES_MAX = 32

export class WrittenKeys {
  readonly #valueBytes: number
  /** Numbers of acknowledged keys in the order of their acknowledgements, and when these came. */
  readonly #acknowledged: Uint32Array
  readonly #atMs: Float64Array
  readonly #name = Buffer.alloc(KEY_BYTES_MAX)
  #sent = 0
  #count = 0

  /** At most `capacity` keys. */
  constructor(capacity: number, valueBytes: number) {
    this.#acknowledged = new Uint32Array(capacity)
    this.#atMs = new Float64Array(capacity)
    this.#valueBytes = valueBytes
  }

  /** Acknowledged keys. */
  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#sent === this.#acknowledged.length
  }

  /** The number of a key that was never written. */
  next(): number {
    return this.#sent++
  }

  acknowledge(number: number, nowMs: number): void {
    this.#acknowledged[this.#count] = number
    this.#atMs[this.#count++] = nowMs
  }

  /** The number of the acknowledged key at this place, 0 to count - 1. */
  at(place: number): number {
    return this.#acknowledged[place]
  }

  keyOf(number: number): string {
    return `${PREFIX}${number}`
  }

  valueOf(number: number): string {
    return `${number}`.padEnd(this.#valueBytes, '.')
  }

  slotOf(number: number): number {
    const bytes = this.#name.write(this.keyOf(number), 'latin1')
    return slotOf(this.#name, 0, bytes)
  }

  /**
   * Names of at most `most` of the keys in `slots` that were acknowledged in [fromMs, toMs), evenly spread, with the last one.
   */
  sample(fromMs: number, toMs: number, slots: SlotSet, most: number): string[] {
    const found: number[] = []
    for (let place = 0; place < this.#count; place++) {
      const atMs = this.#atMs[place]
      if (atMs >= fromMs && atMs < toMs && slots.has(this.slotOf(this.at(place)))) found.push(this.at(place))
    }
    const step = Math.max(1, Math.ceil(found.length / most))
    return found
      .filter((_, i) => i % step === 0 || i === found.length - 1)
      .map((number) => this.keyOf(number))
  }
}

export class SlotSet {
  readonly #slots = new Uint8Array(SLOT_COUNT)

  constructor(ranges: readonly SlotRange[]) {
    for (const { firstSlot, lastSlot } of ranges) this.#slots.fill(1, firstSlot, lastSlot + 1)
  }

  has(slot: number): boolean {
    return this.#slots[slot] === 1
  }
}

export const ALL_SLOTS: readonly SlotRange[] = [{ firstSlot: 0, lastSlot: SLOT_COUNT - 1 }]

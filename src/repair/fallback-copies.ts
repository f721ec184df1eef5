/**
 * Takes fallback copies (RULES L5): records of which this node holds no replica, for replicas that are not live. They are
 * acknowledged when they are on disk, never refused for their age, and refused at the cap, so that the write does not
 * count them. handover.ts brings them to whom they are for.
 */
import {
  FALLBACK_HEAD_BYTES,
  REASON_FLUSHED,
  REASON_MALFORMED,
  REASON_NO_ROOM,
  REASON_PLACEMENT,
  REASON_STAMPED_AHEAD,
  fallbackTargets,
  fallbackWanted,
  listHashOf,
} from '../coordinator/messages.js'
import { maxHlc } from '../record/death.js'
import { keyLength, keyStart, recordLength } from '../record/layout.js'
import { verifyRecord } from '../record/record.js'
import type { Ring } from '../ring/ring.js'
import { slotOf } from '../ring/slot.js'
import type { HandoffBook } from './handoff-book.js'
import { COPY, copyTie, copyValue, keyOf, targetIdOf, targetOf } from './handoff-entry.js'
import type { HandoffEntry } from './handoff-store.js'

export interface FallbackWorld {
  readonly book: HandoffBook
  readonly ring: Ring
  readonly self: number
  /** Records with a higher stamp are refused (RULES C2). */
  stampLimit(): number
  flushMark(): number
  diskIsFull(): boolean
  /** Of all copies for one member. */
  bytesMax(): number
  /** The highest stamp of a copy that was taken (RULES V4). */
  witness(hlc: number): void
}

interface Waiting {
  readonly entries: readonly HandoffEntry[]
  readonly done: (reason: number) => void
}

export class FallbackCopies {
  readonly #world: FallbackWorld
  /** Copies that came while others were being written: they share the next transaction. */
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(world: FallbackWorld) {
    this.#world = world
  }

  /** A FALLBACK came, whose body is bytes[start, end). `done` is called with 0 when it is on disk, else with a reason; perhaps at once. */
  take(bytes: Buffer, start: number, end: number, done: (reason: number) => void): void {
    const entries = this.#entriesOf(bytes, start, end)
    if (typeof entries === 'number') return done(entries)
    this.#waiting.push({ entries, done })
    if (!this.#isWriting) this.#write()
  }

  /** The entries of a copy, one for each member that it is for; or why it is not taken. */
  #entriesOf(bytes: Buffer, start: number, end: number): HandoffEntry[] | number {
    const { book, ring, self } = this.#world
    const record = start + FALLBACK_HEAD_BYTES
    if (end <= record || verifyRecord(bytes, record, end - record) !== null) return REASON_MALFORMED
    if (recordLength(bytes, record) !== end - record) return REASON_MALFORMED
    const slot = slotOf(bytes, keyStart(record), keyStart(record) + keyLength(bytes, record))
    const isReplica = ring.placeOf(slot, self) !== -1
    if (isReplica || ring.listHash(slot) !== listHashOf(bytes, start)) return REASON_PLACEMENT
    const hlc = maxHlc(bytes, record)
    if (hlc > this.#world.stampLimit()) return REASON_STAMPED_AHEAD
    if (hlc <= this.#world.flushMark()) return REASON_FLUSHED
    const targets = this.#targetsOf(slot, fallbackTargets(bytes, start))
    const wanted = fallbackWanted(bytes, start)
    if (wanted === 0 || wanted > targets.length) return REASON_MALFORMED
    const value = copyValue(wanted, targets, bytes, record, end)
    const tie = copyTie(bytes, record)
    const entries = targets.map((target) => ({ key: keyOf(COPY, target, hlc, tie), value }))
    const isFull = entries.some(
      ({ key }) => book.of(targetIdOf(key)).copyBytes + value.length > this.#world.bytesMax(),
    )
    if (isFull || this.#world.diskIsFull()) return REASON_NO_ROOM
    this.#world.witness(hlc)
    return entries
  }

  /** `places` of the slot's list, as bits. */
  #targetsOf(slot: number, places: number): Buffer[] {
    const { ring } = this.#world
    const targets: Buffer[] = []
    for (let place = 0; place < ring.replicas; place++) {
      if ((places & (1 << place)) !== 0) targets.push(targetOf(ring.members[ring.memberAt(slot, place)].id))
    }
    return targets
  }

  #write(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#isWriting = true
    this.#world.book.put(
      waiting.flatMap(({ entries }) => entries),
      (error) => {
        this.#isWriting = false
        if (this.#waiting.length > 0) this.#write()
        for (const { done } of waiting) done(error === null ? 0 : REASON_NO_ROOM)
      },
    )
  }
}

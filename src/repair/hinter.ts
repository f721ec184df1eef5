/**
 * Makes hints of the own log: for each member it keeps which of the own writes that one may lack, and while there are such, reads
 * them back from the segments in memory and writes those that are this node's and the member's into the handoff store. A write
 * costs nothing for it, in good times and in bad ones: the coordinator tells only of what went wrong.
 *
 *     member away            everything from the last checkpoint on, until it is back (delivery-checkpoints.ts)
 *     request refused,       the entries of that write
 *     or not taken
 *
 * "This node's" are records with a sibling of its actor: what other homes have written here is theirs to hint. Records are read
 * no further than to where all writes have ended, so that it is known whether W replicas have them (RULES L4).
 *
 * What has left memory before it was read is counted, and left to repair.
 */
import type { Clock, Timer } from '../env/clock.js'
import type { Log } from '../env/log.js'
import { maxHlc } from '../record/death.js'
import { wallMsToHlc } from '../record/hlc.js'
import {
  SIBLING_BYTES,
  contextActor,
  contextStart,
  keyLength,
  keyStart,
  siblingActorIndex,
  siblingCount,
  siblingsStart,
} from '../record/layout.js'
import { slotOf } from '../ring/slot.js'
import type { Ring } from '../ring/ring.js'
import { LogTail } from '../storage/log/log-tail.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import { DeliveryCheckpoints } from './delivery-checkpoints.js'
import type { HandoffBook } from './handoff-book.js'
import { HINT, OPEN_HINT, hintOf, targetOf } from './handoff-entry.js'
import type { HandoffEntry } from './handoff-store.js'
import { MissedSequences } from './missed-sequences.js'

/** How often members are looked at. */
const STEP_MS = 50
/** How soon a member is gone on with for which there is more to do. */
const BUSY_MS = 2
/** What is done for one member at a time: about a millisecond of reading, and one transaction. */
const STEP_ENTRIES = 2048
const ENTRIES_BETWEEN_LOOKS = 256
const BATCH_BYTES = 1024 * 1024

export interface HinterSettings {
  readonly hintedHandoffEnabled: boolean
  readonly maxHintWindowMs: number
  readonly maxHintsSizeBytes: number
}

/** The link to a member, as far as checkpoints need it. */
export interface HintedLink {
  readonly isLive: boolean
  readonly lastSequence: number
  readonly watermark: number
}

export interface HinterWorld {
  readonly clock: Clock
  readonly log: Log
  readonly store: Store
  readonly book: HandoffBook
  readonly ring: Ring
  readonly self: number
  /** By member; null at `self`. */
  readonly links: readonly (HintedLink | null)[]
  /** Whether a dot's actor is this node, in this run. */
  isOwnActor(actor: number): boolean
  /** Own entries up to this sequence belong to writes that have ended. */
  settledSequence(): number
  settings(): HinterSettings
}

class MissingMember {
  readonly id: string
  readonly target: Buffer
  readonly missed = new MissedSequences()
  readonly checkpoints: DeliveryCheckpoints
  readonly tail: LogTail
  isAway = true
  isWriting = false

  constructor(id: string, store: Store) {
    this.id = id
    this.target = targetOf(id)
    this.checkpoints = new DeliveryCheckpoints(store.sequence)
    this.tail = new LogTail(() => store.segmentsInMemory)
    this.missed.add(store.sequence + 1, Infinity)
  }
}

export class Hinter {
  /** Own log entries, of whomever, that had left memory before they were read for a member. */
  passedOver = 0
  readonly #world: HinterWorld
  readonly #members: readonly (MissingMember | null)[]
  /** Own entries of writes that ended in doubt. */
  readonly #uncertain = new MissedSequences()
  #timer: Timer | null = null
  #hasSaidFailure = false

  constructor(world: HinterWorld) {
    this.#world = world
    const { ring, self, store } = world
    this.#members = ring.members.map(({ id }, member) =>
      member === self ? null : new MissingMember(id, store),
    )
  }

  start(): void {
    this.#timer = this.#world.clock.after(STEP_MS, this.#tick)
  }

  /** Writes what is still to be written, as far as it is in memory, and as the disk takes it within `msMax`. */
  async stop(msMax: number): Promise<void> {
    this.#timer?.cancel()
    const deadlineMs = this.#world.clock.monotonicMs() + msMax
    for (const member of this.#members) if (member !== null) await this.#drain(member, deadlineMs)
  }

  // What it is told.

  memberAway(index: number): void {
    const member = this.#memberAt(index)
    if (member.isAway) return
    member.isAway = true
    this.#confirm(member, index)
    member.missed.add(member.checkpoints.confirmed + 1, Infinity)
    member.checkpoints.restart()
  }

  memberBack(index: number): void {
    const member = this.#memberAt(index)
    if (!member.isAway) return
    member.isAway = false
    const { sequence } = this.#world.store
    member.missed.close(sequence)
    member.checkpoints.restart(sequence)
  }

  missed(index: number, first: number, last: number): void {
    this.#memberAt(index).missed.add(first, last)
  }

  uncertain(first: number, last: number): void {
    this.#uncertain.add(first, last)
  }

  /** Whether there are hints yet to be written for the member. */
  isBehind(index: number): boolean {
    const { missed, isWriting } = this.#memberAt(index)
    return isWriting || (!missed.isEmpty && missed.first <= this.#world.store.sequence)
  }

  #memberAt(index: number): MissingMember {
    const member = this.#members[index]
    assert(member !== null, 'a node misses nothing of its own')
    return member
  }

  #confirm(member: MissingMember, index: number): void {
    const link = this.#world.links[index]
    if (link !== null) member.checkpoints.acked(link.watermark)
  }

  // Time.

  readonly #tick = (): void => {
    let isBusy = false
    this.#members.forEach((member, index) => {
      if (member === null) return
      if (!member.isAway) this.#check(member, index)
      if (!member.missed.isEmpty && this.#step(member)) isBusy = true
    })
    this.#timer = this.#world.clock.after(isBusy ? BUSY_MS : STEP_MS, this.#tick)
  }

  #check(member: MissingMember, index: number): void {
    const link = this.#world.links[index]
    if (link?.isLive !== true) return
    member.checkpoints.acked(link.watermark)
    member.checkpoints.note(this.#world.store.sequence, link.lastSequence)
  }

  /** Reads on for the member, unless it is still being written for; answers whether there is more that can be read. */
  #step(member: MissingMember): boolean {
    const { missed, tail } = member
    if (member.isWriting) return true
    const { store } = this.#world
    const readable = Math.min(store.sequence, this.#world.settledSequence())
    const last = Math.min(missed.last, readable)
    if (missed.first > last) return false
    const entries: HandoffEntry[] = []
    const batch = { entries, bytes: 0 }
    tail.seek(missed.first)
    let left = STEP_ENTRIES
    let before = -1
    // Large records fill a batch sooner.
    while (left > 0 && tail.next <= last && tail.next !== before && batch.bytes < BATCH_BYTES) {
      before = tail.next
      this.passedOver += tail.read(last, Math.min(left, ENTRIES_BETWEEN_LOOKS), (bytes, record, sequence) => {
        this.#take(member, batch, bytes, record, sequence)
      })
      left -= ENTRIES_BETWEEN_LOOKS
    }
    missed.advance(tail.next)
    this.#forgetUncertain()
    if (entries.length > 0) this.#write(member, entries)
    return !missed.isEmpty && missed.first <= readable
  }

  /** What is read for nobody any more needs no mark. */
  #forgetUncertain(): void {
    if (this.#uncertain.isEmpty) return
    let lowest = this.#world.store.segmentsInMemory[0].minSequence
    for (const member of this.#members) {
      if (member !== null && !member.missed.isEmpty) lowest = Math.min(lowest, member.missed.first)
    }
    this.#uncertain.advance(lowest)
  }

  #take(
    member: MissingMember,
    batch: { entries: HandoffEntry[]; bytes: number },
    bytes: Buffer,
    record: number,
    sequence: number,
  ): void {
    const { book, ring, store, settings } = this.#world
    if (!this.#isOwn(bytes, record) || maxHlc(bytes, record) <= store.flushMark) return
    const key = keyStart(record)
    const slot = slotOf(bytes, key, key + keyLength(bytes, record))
    if (ring.placeOf(slot, ring.indexOf(member.id)) === -1) return
    const { hintedHandoffEnabled, maxHintWindowMs, maxHintsSizeBytes } = settings()
    const isOpen = this.#uncertain.has(sequence)
    const hint = hintOf(isOpen ? OPEN_HINT : HINT, member.target, bytes, record, sequence)
    const held = book.of(member.id).hintBytes + batch.bytes
    const oldest = wallMsToHlc(this.#world.clock.wallMs() - maxHintWindowMs)
    const isTooMuch = held + hint.value.length > maxHintsSizeBytes || maxHlc(bytes, record) < oldest
    if (!hintedHandoffEnabled || (isTooMuch && !isOpen)) return book.lost(member.id, 'dropped')
    batch.entries.push(hint)
    batch.bytes += hint.value.length
  }

  #isOwn(bytes: Buffer, record: number): boolean {
    const context = contextStart(bytes, record)
    let sibling = siblingsStart(bytes, record)
    for (let left = siblingCount(bytes, record); left > 0; left--, sibling += SIBLING_BYTES) {
      if (this.#world.isOwnActor(contextActor(bytes, context, siblingActorIndex(bytes, sibling)))) return true
    }
    return false
  }

  #write(member: MissingMember, entries: readonly HandoffEntry[]): void {
    member.isWriting = true
    this.#world.book.put(entries, (error) => {
      member.isWriting = false
      if (error !== null) this.#failed(member, entries.length, error)
      else this.#hasSaidFailure = false
    })
  }

  /** The only way in which a hint of a record that is not known on W replicas is lost (RULES L4). */
  #failed(member: MissingMember, entries: number, error: Error): void {
    this.#world.book.lost(member.id, 'possible', entries)
    if (this.#hasSaidFailure) return
    this.#hasSaidFailure = true
    this.#world.log.error('hints could not be written and are lost', { hints: entries, error: error.message })
  }

  async #drain(member: MissingMember, deadlineMs: number): Promise<void> {
    member.missed.close(this.#world.store.sequence)
    while (this.#world.clock.monotonicMs() < deadlineMs) {
      const isMore = !member.missed.isEmpty && this.#step(member)
      if (!isMore && !member.isWriting) return
      await this.#pause()
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#world.clock.after(BUSY_MS, resolve))
  }
}

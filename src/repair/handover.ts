/**
 * Brings one member what is held for it, oldest first: hints and fallback copies in batches, at a bounded rate, one batch at a
 * time, so that what clients send meanwhile waits behind little: behind each batch there is a pause as long as the batch took, so
 * that two nodes which are busy with clients are left to these. An entry goes from the store when the member has acknowledged
 * it, durably; what it refuses stays or goes by the reason:
 *
 *     flushed        void (RULES P4): it goes
 *     purged         it goes; where the own record does not cover it, that is counted as a possible loss (L4)
 *     no room, stopping      everything stays, and is tried again later and later
 *     anything else  it stays, and the rest goes on
 *
 * Nothing is sent while the member is away, or unfit in a way that has it refuse writes.
 */
import type { Clock, Timer } from '../env/clock.js'
import { REASON_FLUSHED, REASON_NO_ROOM, REASON_PURGED, REASON_STOPPING } from '../coordinator/messages.js'
import { maxHlc } from '../record/death.js'
import { keyLength, keyStart, recordLength } from '../record/layout.js'
import { verifyRecord } from '../record/record.js'
import { slotOf } from '../ring/slot.js'
import type { HandoffBook } from './handoff-book.js'
import {
  COPY,
  KINDS,
  copyTie,
  copyValue,
  firstKey,
  hlcOf,
  keyAfter,
  keyOf,
  kindOf,
  readCopy,
  recordIn,
} from './handoff-entry.js'
import type { HandoffKind } from './handoff-entry.js'
import type { HandoffEntry } from './handoff-store.js'

const BATCH_ENTRIES = 1024
const BATCH_BYTES = 256 * 1024
/** A batch is no more than the throttle lets through in this time. */
const BATCH_MS = 100
const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 30_000
/** After a member has come back, and between passes that leave something. */
const PASS_MS = 1000

/** The member, its link, and what the holder knows. */
export interface HandoverWorld {
  readonly clock: Clock
  readonly book: HandoffBook
  readonly targetId: string
  readonly target: Buffer
  /** Whether it takes writes now, as far as is known. */
  isReady(): boolean
  /** Hash of the slot's preference list; null where the member is no replica of it. */
  listHash(slot: number): number | null
  /** Whether this node's own range of the slot is stale: then its hints are not to be believed (RULES L4). */
  isStale(slot: number): boolean
  flushMark(): number
  /**
   * Sends a hint, or a copy, which is not refused for its age (RULES L5). Answers the sequence on the link, -1 when the link takes
   * nothing.
   */
  send(kind: HandoffKind, listHash: number, bytes: Buffer, start: number, end: number): number
  /** Calls back with whether the own record of the key covers this one. */
  covers(bytes: Buffer, record: number, done: (covers: boolean) => void): void
  /** Bytes a second; 0 for no limit. */
  throttleBytes(): number
}

interface Sent {
  readonly entry: HandoffEntry
  readonly sequence: number
}

export class Handover {
  readonly #world: HandoverWorld
  readonly #cursors = new Map<HandoffKind, Buffer>()
  #inFlight: Sent[] = []
  /** Of the batch under way: what may go from the store. */
  #taken: HandoffEntry[] = []
  #isRefusing = false
  #hasProgress = false
  /** A batch is under way: sent, or being removed. */
  #isBusy = false
  /** Asked whether own records cover what was refused. */
  #questions = 0
  #timer: Timer | null = null
  #retryMs = RETRY_MS_MIN
  /** Monotonic milliseconds at which the batch under way was sent. */
  #sentAtMs = 0
  /** Monotonic milliseconds from which the throttle lets bytes through. */
  #paidUntilMs = 0

  constructor(world: HandoverWorld) {
    this.#world = world
  }

  stop(): void {
    this.#timer?.cancel()
    this.#isBusy = true
  }

  /** The member is back, or may take writes again. */
  wake(): void {
    this.#retryMs = RETRY_MS_MIN
    this.#later(0)
  }

  /** Called every so often. */
  look(): void {
    if (this.#timer === null) this.#later(0)
  }

  #later(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#world.clock.after(delayMs, () => {
      this.#timer = null
      this.#next()
    })
  }

  /** Sends the next batch, if there is one and it may be sent. */
  #next(): void {
    const { book, targetId, clock } = this.#world
    if (this.#isBusy || book.held(targetId) === 0 || !this.#world.isReady()) return
    const waitMs = this.#paidUntilMs - clock.monotonicMs()
    if (waitMs > 0) return this.#later(waitMs)
    const batch = this.#read()
    if (batch.length === 0) return this.#endPass()
    this.#isBusy = true
    this.#sentAtMs = clock.monotonicMs()
    let bytes = 0
    let isFull = false
    for (const entry of batch) {
      if (isFull) break
      const outcome = this.#send(entry)
      if (outcome === LINK_FULL) isFull = true
      else this.#cursors.set(kindOf(entry.key), keyAfter(entry.key))
      if (outcome === SENT) bytes += entry.value.length
    }
    if (isFull) this.#isRefusing = true
    this.#pay(bytes)
    this.#judge()
  }

  /** The oldest entries behind the cursors, of all kinds. */
  #read(): HandoffEntry[] {
    const { book, target } = this.#world
    const rate = this.#world.throttleBytes()
    const bytesMax = rate === 0 ? BATCH_BYTES : Math.min(BATCH_BYTES, (rate * BATCH_MS) / 1000)
    const found = KINDS.flatMap((kind) => {
      const from = this.#cursors.get(kind) ?? firstKey(kind, target)
      return [...book.scan(kind, target, from, BATCH_ENTRIES, bytesMax)]
    })
    found.sort((a, b) => hlcOf(a.key) - hlcOf(b.key))
    const batch: HandoffEntry[] = []
    let bytes = 0
    for (const entry of found) {
      if (batch.length === BATCH_ENTRIES || bytes >= bytesMax) break
      batch.push(entry)
      bytes += entry.value.length
    }
    return batch
  }

  #send(entry: HandoffEntry): typeof SENT | typeof VOID | typeof KEPT | typeof LINK_FULL {
    const world = this.#world
    const { book, targetId } = world
    const { value } = entry
    const kind = kindOf(entry.key)
    const record = recordIn(kind, value)
    const isSound = record !== -1 && verifyRecord(value, record, value.length - record) === null
    if (!isSound || recordLength(value, record) !== value.length - record) {
      book.lost(targetId, 'possible')
      return this.#void(entry)
    }
    if (maxHlc(value, record) <= world.flushMark()) return this.#void(entry)
    const slot = slotOf(value, keyStart(record), keyStart(record) + keyLength(value, record))
    const hash = world.listHash(slot)
    if (hash === null) {
      book.lost(targetId, 'possible')
      return this.#void(entry)
    }
    if (kind !== COPY && world.isStale(slot)) return KEPT
    const sequence = world.send(kind, hash, value, record, value.length)
    if (sequence === -1) return LINK_FULL
    this.#inFlight.push({ entry, sequence })
    return SENT
  }

  #void(entry: HandoffEntry): typeof VOID {
    this.#taken.push(entry)
    return VOID
  }

  #pay(bytes: number): void {
    const rate = this.#world.throttleBytes()
    const nowMs = this.#world.clock.monotonicMs()
    this.#paidUntilMs = rate === 0 ? nowMs : nowMs + (1000 * bytes) / rate
  }

  // What the link tells.

  acked(watermark: number): void {
    const { book, targetId } = this.#world
    let count = 0
    while (count < this.#inFlight.length && this.#inFlight[count].sequence <= watermark) count++
    if (count === 0) return
    for (const { entry } of this.#inFlight.splice(0, count)) this.#taken.push(entry)
    book.of(targetId).delivered += count
    this.#hasProgress = true
    // What it refuses beside that is for a moment: a busy link that is full now and then would be left alone for longer and longer.
    this.#retryMs = RETRY_MS_MIN
    this.#judge()
  }

  refused(sequence: number, reason: number): void {
    const index = this.#inFlight.findIndex((sent) => sent.sequence === sequence)
    if (index === -1) return
    const [{ entry }] = this.#inFlight.splice(index, 1)
    if (reason === REASON_FLUSHED) this.#taken.push(entry)
    else if (reason === REASON_PURGED) this.#refusedAsPurged(entry)
    else if (reason === REASON_NO_ROOM || reason === REASON_STOPPING) this.#isRefusing = true
    this.#judge()
  }

  /** The link is gone. What was under way may have arrived, and goes once more. */
  lost(): void {
    this.#inFlight = []
    this.#cursors.clear()
    if (this.#isBusy) this.#judge()
  }

  /** RULES L4: what would hide the record may be purged there, so it goes; where it is the last of it, that is said. */
  #refusedAsPurged(entry: HandoffEntry): void {
    const { book, targetId } = this.#world
    this.#questions++
    this.#world.covers(entry.value, recordIn(kindOf(entry.key), entry.value), (isCovered) => {
      this.#questions--
      if (!isCovered) book.lost(targetId, 'possible')
      this.#taken.push(entry)
      this.#judge()
    })
  }

  // The end of a batch, of a pass.

  #judge(): void {
    if (!this.#isBusy || this.#inFlight.length > 0 || this.#questions > 0) return
    const taken = this.#taken
    this.#taken = []
    if (taken.length === 0) return this.#endBatch()
    this.#questions++
    this.#release(taken, () => {
      this.#questions--
      this.#endBatch()
    })
  }

  #endBatch(): void {
    this.#isBusy = false
    const nowMs = this.#world.clock.monotonicMs()
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs + (nowMs - this.#sentAtMs))
    if (this.#isRefusing) {
      this.#isRefusing = false
      return this.#rest()
    }
    this.#later(0)
  }

  #rest(): void {
    this.#cursors.clear()
    this.#hasProgress = false
    this.#later(this.#retryMs)
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs)
  }

  /** Everything has been gone over once; what is left was refused, or is being written. */
  #endPass(): void {
    if (!this.#hasProgress && this.#cursors.size > 0) return this.#rest()
    this.#cursors.clear()
    this.#hasProgress = false
    this.#later(PASS_MS)
  }

  /** Removes entries from the store, and with a copy what it was for. */
  #release(taken: readonly HandoffEntry[], done: () => void): void {
    const { book } = this.#world
    const removed: HandoffEntry[] = []
    const changed: HandoffEntry[] = []
    for (const entry of taken) {
      removed.push(entry)
      if (kindOf(entry.key) === COPY) this.#releaseTwins(entry, removed, changed)
    }
    // What was not removed is sent again, which does no harm.
    book.replace(changed, () => book.remove(removed, done))
  }

  /** RULES L5: when as many replicas as were missing for W hold it, the copy is wanted for nobody any more. */
  #releaseTwins({ key, value }: HandoffEntry, removed: HandoffEntry[], changed: HandoffEntry[]): void {
    const { wanted, targets, record } = readCopy(value)
    for (const target of targets) {
      if (target.equals(this.#world.target)) continue
      const twin = keyOf(COPY, target, hlcOf(key), copyTie(value, record))
      if (wanted <= 1) removed.push({ key: twin, value })
      else changed.push({ key: twin, value: copyValue(wanted - 1, targets, value, record, value.length) })
    }
  }
}

const SENT = 0
const VOID = 1
const KEPT = 2
const LINK_FULL = 3

/**
 * What a read does when replicas do not agree (RULES R1): whole records from enough of them are merged into this node's own,
 * the result, never the winner alone, is written back to those that lack it until N-R+1 replicas hold it, and the request
 * runs again on exactly that. From then on no quorum read can miss it, so reads do not go backwards.
 *
 * Also what a conditional write does after its proposal was refused, and how commands on several keys read them; then there
 * are several keys, one after the other. A key costs two round trips. This is the cold path: it allocates freely.
 */
import { EntryRef } from '../storage/entry.js'
import { maxHlc } from '../record/death.js'
import { recordLength } from '../record/layout.js'
import { encodeRecord, verifyRecord } from '../record/record.js'
import { NoRoomYet, StoreError } from '../storage/store-error.js'
import { KeyHash } from '../ring/token.js'
import { bitCount } from '../util/bits.js'
import type { Coordinator } from './coordinator.js'
import type { LoadedBlocks } from './keyspace.js'
import { REPAIRING } from './operation.js'
import type { Operation } from './operation.js'
import { MERGE_COLD } from './record-merger.js'

/** A record that the quorum holds, with its key's hashes. */
export interface AgreedRecord {
  readonly hash: number
  readonly token: number
  readonly bytes: Buffer
}

const ABSENT = Buffer.alloc(0)

export class ReadRepair {
  /** One per key: what the request is to be answered from. */
  readonly agreed: AgreedRecord[] = []
  readonly #coordinator: Coordinator
  readonly #operation: Operation
  readonly #keys: readonly Buffer[]
  /** Replicas that must be read, this one included. */
  readonly #required: number
  #key = 0
  /** By place in the preference list: what the replica holds. */
  #records = new Map<number, Buffer>()
  #held: LoadedBlocks | null = null
  #phase: 'reading' | 'merging' | 'writing-back' = 'reading'
  /** What is written back, and whether those were asked to take it, too, whose records did not come. */
  #own: Buffer = ABSENT
  #isWidened = false

  constructor(coordinator: Coordinator, operation: Operation, keys: readonly Buffer[], required: number) {
    this.#coordinator = coordinator
    this.#operation = operation
    this.#keys = keys
    this.#required = required
  }

  /** Also when its time is up while blocks are loaded, or room is awaited: the reply may not have left yet. */
  get #isOver(): boolean {
    return this.#operation.repair !== this || this.#operation.state !== REPAIRING
  }

  start(): void {
    this.#ask()
  }

  /** Asks all live replicas for the current key; the first that answer decide. */
  #ask(): void {
    const { operations, topology } = this.#coordinator
    const { ring } = topology
    const operation = this.#operation
    const key = this.#keys[this.#key]
    operations.rename(operation)
    operation.beginRound()
    this.#records = new Map()
    this.#phase = 'reading'
    this.#isWidened = false
    for (let place = 0; place < ring.replicas; place++) {
      const peer = topology.servingPeerAt(operation.slot, place)
      if (peer === null) continue
      const sent = peer.askRecord(operation.id, ring.listHash(operation.slot), key, 0, key.length)
      if (sent !== -1) operation.asked |= 1 << place
    }
    if (operations.find(operation.id) === operation) this.#judgeRead()
  }

  /** A replica's record came; empty when it has none. `bytes` is ours to keep. */
  answered(member: number, bytes: Buffer): void {
    const place = this.#coordinator.topology.ring.placeOf(this.#operation.slot, member)
    const bit = 1 << place
    const operation = this.#operation
    if (this.#phase !== 'reading' || (operation.asked & bit) === 0 || (operation.answered & bit) !== 0) return
    if (bytes.length > 0 && !this.#isBelieved(bytes)) return this.lost(member)
    operation.answered |= bit
    this.#records.set(place, bytes)
    this.#judgeRead()
  }

  /** RULES C2: what every replica refuses is not brought in by a read either; its holder counts as silent. */
  #isBelieved(bytes: Buffer): boolean {
    return verifyRecord(bytes, 0, bytes.length) === null && maxHlc(bytes, 0) <= this.#coordinator.stampLimit()
  }

  /** Nothing more comes of this member. */
  lost(member: number): void {
    const operation = this.#operation
    const bit = 1 << this.#coordinator.topology.ring.placeOf(operation.slot, member)
    if ((operation.asked & bit) === 0 || (operation.answered & bit) !== 0) return
    operation.asked &= ~bit
    this.judge()
  }

  /** What is awaited has changed. */
  judge(): void {
    if (this.#isOver) return
    if (this.#phase === 'writing-back') this.#judgeWriteBack()
    else if (this.#phase === 'reading') this.#judgeRead()
  }

  #judgeRead(): void {
    const { asked, answered } = this.#operation
    if (this.#records.size >= this.#required - 1) return this.#merge()
    if (asked === answered || this.#records.size + bitCount(asked & ~answered) < this.#required - 1) {
      this.#coordinator.noReplicas(this.#operation)
    }
  }

  /** Everything that came is merged into the own record; the result goes to those who lack it. */
  #merge(): void {
    const { merger } = this.#coordinator
    this.#phase = 'merging'
    try {
      for (const record of this.#records.values()) {
        if (record.length === 0) continue
        const sequence = merger.merge(record, 0, record.length)
        if (sequence === MERGE_COLD) return this.#load()
        this.#needs(sequence)
      }
      const own = this.#readOwn()
      if (own === null) return this.#load()
      this.#writeBack(own)
    } catch (error) {
      if (error instanceof NoRoomYet && this.#coordinator.awaitRoom(this.#operation, this.#mergeAgain)) return
      if (!(error instanceof StoreError)) throw error
      this.#coordinator.fail(this.#operation, error)
    }
  }

  readonly #mergeAgain = (): void => {
    if (!this.#isOver) this.#merge()
  }

  #needs(sequence: number): void {
    const operation = this.#operation
    operation.needSequence = Math.max(operation.needSequence, sequence)
  }

  /** The own record by now; null when its block is missing. */
  #readOwn(): Buffer | null {
    const key = this.#keys[this.#key]
    const entry = new EntryRef()
    const sequence = this.#coordinator.merger.find(key, 0, key.length, entry)
    if (sequence === MERGE_COLD) return null
    this.#needs(sequence)
    if (entry.record === 0) return ABSENT
    return Buffer.from(
      entry.bytes.subarray(entry.record, entry.record + recordLength(entry.bytes, entry.record)),
    )
  }

  #load(): void {
    const before = this.#held
    this.#held = null
    this.#coordinator.merger.startLoads((load) => {
      if (this.#isOver) return load.release()
      this.#held = load
      if (load.error === null) this.#merge()
      else this.#coordinator.unreadable(this.#operation, load.error)
    }, before)
  }

  #writeBack(own: Buffer): void {
    this.#held?.release()
    this.#held = null
    const { ring } = this.#coordinator.topology
    const operation = this.#operation
    const isMajority = 2 * this.#required > ring.replicas
    operation.beginRound()
    operation.needed = isMajority ? ring.replicas - this.#required : 0
    this.#phase = 'writing-back'
    this.#own = own
    this.#agree(own)
    for (const [place, record] of this.#records) {
      // What others have of a key that is absent here lies below a flush mark, which reaches them by itself.
      if (own.length === 0 || record.equals(own)) operation.agreed++
      else this.#sendTo(place)
    }
    this.#judgeWriteBack()
  }

  #sendTo(place: number): void {
    const { topology, counters } = this.#coordinator
    const { ring } = topology
    const operation = this.#operation
    const { slot } = operation
    const peer = topology.livePeerAt(slot, place)
    if (peer === null) return
    const own = this.#own
    const sequence = peer.sendRecord(ring.listHash(slot), own, 0, own.length)
    if (sequence === -1) return
    counters.readRepairs++
    operation.asked |= 1 << place
    peer.acks.add(sequence, sequence, 1 << place, operation)
  }

  /**
   * Those who were slower to answer the read are asked to take the record as well: one of the others is slow now, or takes
   * nothing, as one with a full disk. Answers whether that has changed anything.
   */
  widen(): boolean {
    if (this.#phase !== 'writing-back' || this.#isWidened || this.#own.length === 0) return false
    this.#isWidened = true
    const { ring } = this.#coordinator.topology
    const before = this.#operation.asked
    for (let place = 0; place < ring.replicas; place++) if (!this.#records.has(place)) this.#sendTo(place)
    return this.#operation.asked !== before
  }

  #agree(bytes: Buffer): void {
    const key = this.#keys[this.#key]
    const hash = new KeyHash()
    hash.of(key, 0, key.length)
    const record = bytes.length > 0 ? bytes : encodeRecord({ key, siblings: [], context: [] })
    this.agreed.push({ hash: hash.first, token: hash.token, bytes: record })
  }

  #judgeWriteBack(): void {
    const { agreed, needed, asked, answered } = this.#operation
    if (agreed >= needed) return this.#nextKey()
    if (asked !== answered || this.widen()) return
    if (this.#operation.isFlushed)
      // A replica has a flush mark that is on its way here: what was read is void.
      this.#coordinator.routeAgain(this.#operation)
    else this.#coordinator.noReplicas(this.#operation)
  }

  #nextKey(): void {
    if (++this.#key < this.#keys.length) this.#ask()
    else this.#coordinator.repaired(this.#operation, this.agreed)
  }
}

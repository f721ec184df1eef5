/**
 * Gossip: every member knows what every other one last said of itself, O(log n) rounds after it said it. After Cassandra, and
 * van Renesse et al., "Efficient reconciliation and flow control for anti-entropy protocols" (2008). A pure state machine:
 * time and randomness come in, messages go out; who carries them and when a round is due is the node's business.
 *
 *     A: targets()  -- SYN: what A knows, two numbers a member -->  B
 *     A  <-- ACK: what B has newer, and requests for what A has newer --  B
 *     A  -- ACK2: what was asked for -->  B
 *
 * Every step stands alone: a lost message costs time and nothing else, and one that comes twice or late changes nothing.
 * README.md has the format, the invariants and the arithmetic.
 */
import type { Random } from '../env/random.js'
import { assert } from '../util/assert.js'
import { readU16, writeU16 } from '../util/bytes.js'
import { DeltaWriter } from './delta-writer.js'
import * as format from './gossip-format.js'
import { GENERATION_AHEAD_MS_MAX, SEEDS } from './limits.js'
import { MemberTable } from './member-table.js'
import type { Moment, State } from './member-table.js'
import { stateName, stateNumber } from './state-names.js'
import type { StateName } from './state-names.js'

const NOTHING: readonly number[] = []

/** A state of another member is not what it was. */
export type StateListener = (member: number, name: StateName) => void

export class Gossip {
  readonly self: number
  /** Messages that were no gossip, and what broke a bound or came from an unbelievable generation. */
  malformed = 0
  readonly #table: MemberTable
  readonly #seeds: readonly number[]
  readonly #onChanged: StateListener
  readonly #random: Random

  /** `generation`: wall milliseconds at the start of this process. */
  constructor(members: number, self: number, generation: number, random: Random, onChanged: StateListener) {
    assert(generation > 0, 'a generation is a time')
    this.self = self
    this.#table = new MemberTable(members)
    this.#table.advance(self, generation, 1, { monotonicMs: 0, wallMs: 0 })
    this.#seeds = Array.from({ length: Math.min(SEEDS, members) }, (_, i) => i).filter((one) => one !== self)
    this.#random = random
    this.#onChanged = onChanged
  }

  // What is known.

  /** 0 for a member that was never heard from. */
  generationOf(member: number): number {
    return this.#table.generations[member]
  }

  versionOf(member: number): number {
    return this.#table.versions[member]
  }

  /** Null when the member has not said it, or was never heard from. Not to be changed. */
  stateOf(member: number, name: StateName): Buffer | null {
    return this.#table.bytesOf(member, stateNumber(name))
  }

  /** How long nothing new was heard of the member, from whomever; Infinity when it never was. */
  silenceMs(member: number, nowMs: number): number {
    return nowMs - this.#table.advancedAtMs[member]
  }

  /**
   * When something new was last heard of the member, milliseconds since 1970 by the wall clock of now: the earlier of what it
   * showed then and what it would show less the time that has passed, for it may have jumped. -Infinity when it never was.
   */
  heardAtMs(member: number, now: Moment): number {
    const passedMs = this.silenceMs(member, now.monotonicMs)
    return Math.min(this.#table.advancedAtWallMs[member], now.wallMs - passedMs)
  }

  /** Says something of this member from now on; whether it is anything new. The bytes are copied. */
  setOwn(name: StateName, bytes: Uint8Array): boolean {
    const number = stateNumber(name)
    if (this.#table.bytesOf(this.self, number)?.equals(bytes) === true) return false
    const version = this.#nextVersion()
    const put = this.#table.put(this.self, [{ number, version, bytes: Buffer.from(bytes) }], false)
    assert(put !== null, 'what a member says of itself stays within the bounds')
    return true
  }

  #nextVersion(): number {
    return ++this.#table.versions[this.self]
  }

  // Rounds.

  /**
   * A round begins: this member is a version older, which shows that it lives. Answers to whom a SYN is due, each once, with
   * Cassandra's probabilities: a random live member; a dead one, the likelier the more there are; a seed when none was met.
   */
  targets(isLive: (member: number) => boolean): number[] {
    const random = this.#random
    this.#nextVersion()
    const live: number[] = []
    const dead: number[] = []
    for (let member = 0; member < this.#table.size; member++) {
      if (member !== this.self) (isLive(member) ? live : dead).push(member)
    }
    const targets: number[] = []
    if (live.length > 0) targets.push(live[random.below(live.length)])
    if (dead.length > 0 && random.below(live.length + 1) < dead.length) {
      targets.push(dead[random.below(dead.length)])
    }
    const seed = this.#seedIsDue(targets, live.length, dead.length)
    if (seed !== -1 && !targets.includes(seed)) targets.push(seed)
    return targets
  }

  #seedIsDue(targets: readonly number[], live: number, dead: number): number {
    const random = this.#random
    const seeds = this.#seeds
    if (seeds.length === 0) return -1
    if (targets.some((target) => seeds.includes(target)) && live >= seeds.length) return -1
    if (live > 0 && random.below(live + dead) >= seeds.length) return -1
    return seeds[random.below(seeds.length)]
  }

  /** What this member knows, in short. */
  syn(): Buffer {
    const { size, generations, versions } = this.#table
    const bytes = Buffer.allocUnsafe(format.digestAt(0, size))
    format.writeHead(bytes, format.SYN, size)
    for (let member = 0; member < size; member++) {
      format.writeDigest(bytes, format.digestAt(0, member), generations[member], versions[member])
    }
    return bytes
  }

  // Messages.

  /** A SYN or an ACK2 came. Answers the ACK that is due, null for none. */
  takeRequest(bytes: Buffer, start: number, end: number, now: Moment): Buffer | null {
    const step = format.stepOf(bytes, start, end)
    const { size } = this.#table
    if (step === format.SYN && format.isSyn(bytes, start, end, size)) return this.#ack(bytes, start, now)
    if (step === format.ACK2 && format.isAck2(bytes, start, end, size)) {
      this.#takeDeltas(bytes, start + format.HEAD_BYTES, format.countOf(bytes, start), now)
    } else {
      this.malformed++
    }
    return null
  }

  /** An ACK came. Answers the ACK2 that is due, null for none. */
  takeAnswer(bytes: Buffer, start: number, end: number, now: Moment): Buffer | null {
    const isAck =
      format.stepOf(bytes, start, end) === format.ACK && format.isAck(bytes, start, end, this.#table.size)
    if (!isAck) {
      this.malformed++
      return null
    }
    const requests = format.countOf(bytes, start)
    // What the peer asked for is answered as of the digest that it saw; what it tells is taken behind that.
    const ack2 = requests === 0 ? null : this.#ack2(bytes, start, requests)
    const deltas = format.requestAt(start, requests)
    this.#takeDeltas(bytes, deltas + format.COUNT_BYTES, readU16(bytes, deltas), now)
    return ack2
  }

  #ack(bytes: Buffer, start: number, now: Moment): Buffer {
    const { size, generations, versions } = this.#table
    const asked: number[] = []
    const deltas = new DeltaWriter(this.#table)
    for (let member = 0; member < size; member++) {
      const at = format.digestAt(start, member)
      const generation = format.digestGeneration(bytes, at)
      const version = format.digestVersion(bytes, at)
      if (member === this.self) this.#outlive(generation, version, now)
      if (this.#table.isNewer(member, generation, version)) asked.push(member)
      else deltas.addBeyond(member, generation, version)
    }
    const from = format.requestAt(0, asked.length)
    const ack = deltas.write(from + format.COUNT_BYTES, this.#random)
    format.writeHead(ack, format.ACK, asked.length)
    asked.forEach((member, nth) => {
      format.writeRequest(ack, format.requestAt(0, nth), member, generations[member], versions[member])
    })
    writeU16(ack, from, deltas.count)
    return ack
  }

  #ack2(bytes: Buffer, start: number, requests: number): Buffer {
    const deltas = new DeltaWriter(this.#table)
    for (let nth = 0; nth < requests; nth++) {
      const at = format.requestAt(start, nth)
      const digest = format.requestDigest(at)
      const generation = format.digestGeneration(bytes, digest)
      deltas.addBeyond(format.requestMember(bytes, at), generation, format.digestVersion(bytes, digest))
    }
    const ack2 = deltas.write(format.HEAD_BYTES, this.#random)
    format.writeHead(ack2, format.ACK2, deltas.count)
    return ack2
  }

  /** Deltas that were found sound. Listeners are told when all of them are taken. */
  #takeDeltas(bytes: Buffer, at: number, count: number, now: Moment): void {
    const changes: (readonly [member: number, number: number])[] = []
    for (let left = count; left > 0; left--) {
      const member = format.deltaMember(bytes, at)
      for (const number of this.#takeDelta(bytes, at, now)) changes.push([member, number])
      at = format.deltaEnd(bytes, at)
    }
    for (const [member, number] of changes) {
      const name = stateName(number)
      if (name !== undefined) this.#onChanged(member, name)
    }
  }

  /** Answers the numbers of the states that changed. */
  #takeDelta(bytes: Buffer, at: number, now: Moment): readonly number[] {
    const member = format.deltaMember(bytes, at)
    const generation = format.deltaGeneration(bytes, at)
    const version = format.deltaVersion(bytes, at)
    const table = this.#table
    if (member === this.self) {
      this.#outlive(generation, version, now)
      return NOTHING
    }
    if (!table.isNewer(member, generation, version)) return NOTHING
    if (!table.connects(member, generation, format.deltaSince(bytes, at))) return NOTHING
    if (!isBelievable(generation, now)) return this.#refuse()
    const isNewGeneration = generation !== table.generations[member]
    if (format.deltaStates(bytes, at) === 0 && !isNewGeneration) {
      table.advance(member, generation, version, now)
      return NOTHING
    }
    const states = copiesOf(bytes, at, isNewGeneration ? 0 : table.versions[member])
    const changed = table.put(member, states, isNewGeneration)
    if (changed === null) return this.#refuse()
    table.advance(member, generation, version, now)
    return changed
  }

  #refuse(): readonly number[] {
    this.malformed++
    return NOTHING
  }

  /**
   * Others may know an earlier start of this member whose clock was ahead, or another process that took itself for it. What
   * they hold would hide all that this one says, so it takes a higher generation.
   */
  #outlive(generation: number, version: number, now: Moment): void {
    const table = this.#table
    if (!table.isNewer(this.self, generation, version)) return
    if (isBelievable(generation, now)) {
      table.advance(this.self, generation + 1, table.versions[this.self] + 1, now)
    } else {
      this.malformed++
    }
  }
}

function isBelievable(generation: number, { wallMs }: Moment): boolean {
  return generation <= wallMs + GENERATION_AHEAD_MS_MAX
}

/** The states of the delta at `at` that are newer than `version`. */
function copiesOf(bytes: Buffer, at: number, version: number): State[] {
  const states: State[] = []
  let left = format.deltaStates(bytes, at)
  for (at += format.DELTA_HEAD_BYTES; left > 0; left--) {
    const end = format.stateEnd(bytes, at)
    const changed = format.stateVersion(bytes, at)
    if (changed > version) {
      const value = Buffer.from(bytes.subarray(at + format.STATE_HEAD_BYTES, end))
      states.push({ number: format.stateNumberAt(bytes, at), version: changed, bytes: value })
    }
    at = end
  }
  return states
}

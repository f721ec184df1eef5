/** A replica over a simulated machine, and links of peers that note what they are told. */
import { Replica } from '../../../src/coordinator/replica.js'
import type { ReplicaLink } from '../../../src/coordinator/replica.js'
import * as messages from '../../../src/coordinator/messages.js'
import { contextCount, contextStart, keyLength, CONTEXT_ENTRY_BYTES } from '../../../src/record/layout.js'
import { wallMsToHlc } from '../../../src/record/hlc.js'
import type { Dot } from '../../../src/record/version-vector.js'
import { Ring } from '../../../src/ring/ring.js'
import { KeyHash } from '../../../src/ring/token.js'
import { slotOf } from '../../../src/ring/slot.js'
import { encodeRecord } from '../../../src/record/record.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'
import { membersOf } from '../../support/ring-members.js'
import { MergerProbe, encoded, value } from './records.js'

/** A peer's link: what it was told, and what it sends. */
export class FakeLink implements ReplicaLink {
  bytes = Buffer.alloc(256 * 1024)
  acked = 0
  refused: [number, number][] = []
  /** Kind and body of each answer. */
  answers: { kind: number; body: Buffer }[] = []
  isPaused = false
  closed: string | null = null
  readonly #world: ReplicaWorld
  #sequence = 0
  #kind = 0

  constructor(world: ReplicaWorld) {
    this.#world = world
  }

  acknowledge(upTo: number): void {
    if (upTo < this.acked) throw new Error('a watermark never falls')
    this.acked = upTo
  }

  refuse(sequence: number, reason: number): void {
    if (sequence <= this.acked) throw new Error('refused after it was acknowledged')
    this.refused.push([sequence, reason])
  }

  begin(kind: number): number {
    this.#kind = kind
    return 3
  }

  end(at: number): number {
    this.answers.push({ kind: this.#kind, body: Buffer.from(this.bytes.subarray(3, at)) })
    return this.answers.length
  }

  endWith(at: number, bytes: Uint8Array, start: number, end: number): number {
    const body = Buffer.concat([this.bytes.subarray(3, at), bytes.subarray(start, end)])
    this.answers.push({ kind: this.#kind, body })
    return this.answers.length
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  close(_reason: string, detail: string): void {
    this.closed = detail
    this.#world.replica.linkClosed(this)
  }

  /** Sends a request; its bytes are gone afterwards, as a link's are. Answers its sequence. */
  send(kind: number, body: Buffer): number {
    const bytes = Buffer.concat([Buffer.alloc(9, 0xee), body, Buffer.alloc(9, 0xee)])
    this.#world.replica.onRequest(this, kind, bytes, 9, 9 + body.length, ++this.#sequence)
    bytes.fill(0xdd)
    return this.#sequence
  }

  record(
    record: Buffer,
    listHash = this.#world.listHashOf(keyOf(record)),
    kind: number = messages.RECORD,
  ): number {
    const body = Buffer.alloc(messages.RECORD_HEAD_BYTES + record.length)
    messages.writeListHash(body, 0, listHash)
    record.copy(body, messages.RECORD_HEAD_BYTES)
    return this.send(kind, body)
  }

  hint(record: Buffer): number {
    return this.record(record, undefined, messages.HINT)
  }

  /** Proposes records, each over its base. */
  propose(...parts: { record: Buffer; base: readonly Dot[] }[]): number {
    const head = Buffer.alloc(messages.PROPOSAL_HEAD_BYTES)
    messages.writeProposalHead(head, 0, this.#world.listHashOf(keyOf(parts[0].record)), parts.length)
    return this.send(messages.PROPOSAL, Buffer.concat([head, ...parts.map(partOf)]))
  }

  lookUp(kind: number, request: number, key: string, listHash = this.#world.listHashOf(key)): number {
    const body = Buffer.alloc(messages.LOOKUP_HEAD_BYTES + key.length)
    messages.writeLookupHead(body, 0, request, listHash)
    body.write(key, messages.LOOKUP_HEAD_BYTES)
    return this.send(kind, body)
  }
}

function partOf({ record, base }: { record: Buffer; base: readonly Dot[] }): Buffer {
  const vector = encodeRecord({ key: Buffer.alloc(0), siblings: [], context: base })
  const entries = contextStart(vector, 0)
  const part = Buffer.alloc(messages.PART_FIXED_BYTES + contextCount(vector, 0) * CONTEXT_ENTRY_BYTES)
  messages.writeBaseCount(part, 0, base.length)
  vector.copy(part, messages.baseStart(0), entries)
  const whole = Buffer.concat([part, record])
  messages.writePartRecordLength(whole, part.length, record.length)
  return whole
}

function keyOf(record: Buffer): string {
  return record.toString('latin1', 16, 16 + keyLength(record, 0))
}

export class ReplicaWorld {
  readonly machine: StorageMachine
  probe!: MergerProbe
  replica!: Replica
  ring = new Ring(membersOf(3), 3)
  ownIndex = 0
  stampLimit = Number.MAX_SAFE_INTEGER
  purgeHorizonMs = 0
  held = new Set<number>()
  isServed = true

  private constructor(machine: StorageMachine) {
    this.machine = machine
  }

  static async started(seed: string, options = TINY): Promise<ReplicaWorld> {
    const world = new ReplicaWorld(StorageMachine.fromSeed(seed, options))
    await world.start()
    return world
  }

  async start(): Promise<void> {
    const { machine } = this
    await machine.start()
    this.probe = new MergerProbe(machine)
    this.replica = new Replica(machine.store, this.probe.merger, machine.env.clock, {
      ring: () => this.ring,
      ownIndex: () => this.ownIndex,
      stampLimit: () => this.stampLimit,
      purgeHorizonMs: () => this.purgeHorizonMs,
      isHeld: (first) => this.held.has(first),
      isServed: () => this.isServed,
    })
    machine.onDurable = () => this.replica.durableAdvanced()
    machine.onRoom = () => this.replica.roomChanged()
  }

  link(): FakeLink {
    return new FakeLink(this)
  }

  /** A stamp of now. */
  get now(): number {
    return wallMsToHlc(this.machine.nowMs)
  }

  listHashOf(key: string): number {
    const bytes = Buffer.from(key)
    return this.ring.listHash(slotOf(bytes, 0, bytes.length))
  }

  hold(key: string): void {
    const hash = new KeyHash()
    hash.of(Buffer.from(key), 0, key.length)
    this.held.add(hash.first)
  }

  /** Writes 200 keys, of 400 bytes and more, so that the first of them lie in tables that are not in memory. */
  async coldKeys(name = 'cold'): Promise<string[]> {
    const keys = Array.from({ length: 200 }, (_, i) => `${name} ${i}`)
    const link = this.link()
    for (const key of keys) {
      await this.machine.admission(2000)
      link.record(encoded(key, [value(1, this.now, key.repeat(60))]))
      await this.machine.settle()
    }
    await this.machine.rest()
    return keys
  }
}

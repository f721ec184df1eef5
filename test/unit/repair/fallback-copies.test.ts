/** RULES L5: what a node takes for replicas that are not live, and when it says so. */
import t from 'tap'
import * as messages from '../../../src/coordinator/messages.js'
import { COPY, keyOf, copyTie, readCopy, targetOf } from '../../../src/repair/handoff-entry.js'
import { FallbackCopies } from '../../../src/repair/fallback-copies.js'
import { HandoffBook } from '../../../src/repair/handoff-book.js'
import { Ring } from '../../../src/ring/ring.js'
import { slotOf } from '../../../src/ring/slot.js'
import { SimEnv } from '../../../src/sim/sim-env.js'
import { SimHandoffMedium } from '../../../src/sim/sim-handoff-store.js'
import { membersOf } from '../../support/ring-members.js'
import { encoded, value } from '../coordinator/records.js'

const NOT_YET = -1
const FIRST_TWO = 0b011

class World {
  readonly env: SimEnv
  readonly medium = new SimHandoffMedium()
  readonly book: HandoffBook
  readonly ring = new Ring(membersOf(6), 3)
  readonly self: number
  readonly key: string
  readonly slot: number
  stampLimit = Number.MAX_SAFE_INTEGER
  flushMark = 0
  diskIsFull = false
  bytesMax = 10_000
  witnessed = 0
  readonly #copies: FallbackCopies

  constructor(seed: string) {
    this.env = SimEnv.fromSeed(seed)
    this.book = new HandoffBook(this.medium.open(this.env.clock))
    this.key = 'key'
    this.slot = slotOf(Buffer.from(this.key), 0, this.key.length)
    this.self = this.ring.fallbacksOf(this.slot)[0]
    this.#copies = new FallbackCopies({
      book: this.book,
      ring: this.ring,
      self: this.self,
      stampLimit: () => this.stampLimit,
      flushMark: () => this.flushMark,
      diskIsFull: () => this.diskIsFull,
      bytesMax: () => this.bytesMax,
      witness: (hlc) => (this.witnessed = Math.max(this.witnessed, hlc)),
    })
  }

  /** Ids of the members that stand at these places. */
  idAt(place: number): string {
    return this.ring.members[this.ring.memberAt(this.slot, place)].id
  }

  body(record: Buffer, of: { listHash?: number; wanted?: number; targets?: number } = {}): Buffer {
    const body = Buffer.alloc(messages.FALLBACK_HEAD_BYTES + record.length)
    const { listHash = this.ring.listHash(this.slot), wanted = 1, targets = FIRST_TWO } = of
    messages.writeFallbackHead(body, 0, listHash, wanted, targets)
    record.copy(body, messages.FALLBACK_HEAD_BYTES)
    return body
  }

  /** The outcome after so long: a reason, 0, or NOT_YET. */
  take(body: Buffer, ms = 100): number {
    let outcome = NOT_YET
    const bytes = Buffer.concat([Buffer.alloc(3, 0xee), body, Buffer.alloc(3, 0xee)])
    this.#copies.take(bytes, 3, 3 + body.length, (reason) => (outcome = reason))
    bytes.fill(0xdd)
    this.env.queue.advanceSync(ms)
    return outcome
  }
}

const record = encoded('key', [value(1, 5000, 'kept')])

t.test('L5 a copy is kept for each member it is for, and acknowledged when it is on disk', async (t) => {
  const world = new World('kept')
  t.equal(world.take(world.body(record, { wanted: 2 }), 2), NOT_YET, 'visible, and not on disk')
  t.equal(world.medium.count, 2)
  world.env.queue.advanceSync(100)
  t.equal(world.take(world.body(record, { wanted: 2 })), 0, 'again: the same copy')
  t.equal(world.medium.durableCount, 2)
  for (const place of [0, 1]) {
    const id = world.idAt(place)
    t.equal(world.book.of(id).copies, 1)
    const [entry] = world.book.scan(COPY, targetOf(id), null, 1, 1)
    t.same(entry.key, keyOf(COPY, targetOf(id), 5000, copyTie(record, 0)))
    const copy = readCopy(entry.value)
    t.equal(copy.wanted, 2)
    t.same(
      copy.targets.map((target) => target.toString('hex')),
      [world.idAt(0), world.idAt(1)],
    )
    t.same(entry.value.subarray(copy.record), record)
  }
  t.equal(world.book.of(world.idAt(2)).copies, 0)
  t.equal(world.witnessed, 5000, 'V4')
})

t.test('L5 only a node that holds no other copy takes one, of a list that both see', async (t) => {
  const world = new World('placement')
  t.equal(world.take(world.body(record, { listHash: 1 })), messages.REASON_PLACEMENT)
  const keys = Array.from({ length: 100 }, (_, i) => `key:${i}`)
  const own = keys.find((key) => {
    return world.ring.placeOf(slotOf(Buffer.from(key), 0, key.length), world.self) !== -1
  })
  t.ok(own)
  const slot = slotOf(Buffer.from(own ?? ''), 0, (own ?? '').length)
  const mine = world.body(encoded(own ?? '', [value(1, 5000, 'x')]), { listHash: world.ring.listHash(slot) })
  t.equal(world.take(mine), messages.REASON_PLACEMENT, 'it is a replica')
  t.equal(world.medium.count, 0)
})

t.test('C2 P4 a copy is judged as a record is', async (t) => {
  const world = new World('judged')
  world.stampLimit = 4999
  t.equal(world.take(world.body(record)), messages.REASON_STAMPED_AHEAD)
  world.stampLimit = 5000
  world.flushMark = 5000
  t.equal(world.take(world.body(record)), messages.REASON_FLUSHED)
  world.flushMark = 4999
  t.equal(world.take(world.body(record)), 0)
})

t.test('what is no copy is refused', async (t) => {
  const world = new World('malformed')
  const good = world.body(record)
  for (let end = 0; end < good.length; end++) {
    if (world.take(good.subarray(0, end), 0) !== messages.REASON_MALFORMED) t.fail(`cut at ${end}`)
  }
  const damaged = Buffer.from(good)
  damaged[damaged.length - 1] ^= 1
  t.equal(world.take(damaged), messages.REASON_MALFORMED)
  t.equal(world.take(Buffer.concat([good, Buffer.alloc(1)])), messages.REASON_MALFORMED)
  t.equal(world.take(world.body(record, { targets: 0 })), messages.REASON_MALFORMED, 'for nobody')
  t.equal(world.take(world.body(record, { wanted: 0 })), messages.REASON_MALFORMED)
  t.equal(world.take(world.body(record, { wanted: 3 })), messages.REASON_MALFORMED, 'more than there are')
  t.equal(world.medium.count, 0)
})

t.test('L5 at the cap, on a full disk, or when the disk fails a copy is not acknowledged', async (t) => {
  const world = new World('cap')
  world.bytesMax = 300
  const copy = (i: number): Buffer => world.body(encoded('key', [value(1, 5000 + i, `value ${i}`)]))
  t.equal(world.take(copy(1)), 0)
  t.equal(world.take(copy(2)), 0)
  t.equal(world.take(copy(3)), messages.REASON_NO_ROOM)
  world.bytesMax = 10_000
  world.diskIsFull = true
  t.equal(world.take(copy(4)), messages.REASON_NO_ROOM)
  world.diskIsFull = false
  world.medium.failsWith = 'EIO'
  t.equal(world.take(copy(5)), messages.REASON_NO_ROOM)
  t.equal(world.book.of(world.idAt(0)).copies, 2)
  world.medium.failsWith = null
  t.equal(world.take(copy(6)), 0)
})

/** Gossip's messages: their bytes, and that nothing but messages is taken, whatever comes. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Gossip } from '../../../src/membership/gossip.js'
import { GOSSIP_BYTES_MAX, MEMBER_STATES_BYTES_MAX, STATES_MAX } from '../../../src/membership/limits.js'
import { Seeded } from '../../support/seeded.js'
import { BORN_MS, Gossiper, at } from './gossip-world.js'

const MEMBERS = 5
const FLIPS = 20_000
const NAMES = ['STATUS', 'ADDRESS', 'HOLDS_DOWN', 'DIRECTORY', 'OLDEST_HANDOFF', 'PURGED'] as const

/** The three messages of test/data/gossip.hex, whose comments say what they are. */
function golden(): Buffer[] {
  const text = readFileSync(new URL('../../../../test/data/gossip.hex', import.meta.url), 'utf8')
  const messages = text.replace(/#.*/g, '').split('--')
  return messages.map((one) => Buffer.from(one.replace(/\s/g, ''), 'hex'))
}

/** SYN, ACK and ACK2 of two members that know different things. */
function messages(): { a: Gossiper; b: Gossiper; syn: Buffer; ack: Buffer; ack2: Buffer } {
  const [a, b] = [new Gossiper(3, 0, 1000), new Gossiper(3, 1, 2000)]
  a.say('STATUS', 'running')
  b.say('ADDRESS', 'b.example')
  b.gossip.setOwn('HOLDS_DOWN', Buffer.from([2, 0]))
  const syn = a.gossip.syn()
  const ack = b.gossip.takeRequest(syn, 0, syn.length, at(0))!
  return { a, b, syn, ack, ack2: a.gossip.takeAnswer(ack, 0, ack.length, at(0))! }
}

t.test('messages are written in the bytes of their page', async (t) => {
  const { syn, ack, ack2 } = messages()
  t.same(
    [syn, ack, ack2].map((message) => message.toString('hex')),
    golden().map((message) => message.toString('hex')),
  )
})

t.test('messages are taken from the middle of a buffer as well', async (t) => {
  const { syn, ack, ack2 } = messages()
  const [a, b] = [new Gossiper(3, 0, 1000), new Gossiper(3, 1, 2000)]
  const inside = (message: Buffer): [Buffer, number, number] => {
    return [Buffer.concat([Buffer.alloc(7, 255), message, Buffer.alloc(5, 255)]), 7, 7 + message.length]
  }
  a.gossip.takeAnswer(...inside(ack), at(0))
  b.gossip.takeRequest(...inside(syn), at(0))
  b.gossip.takeRequest(...inside(ack2), at(0))
  t.equal(a.heard(1, 'ADDRESS'), 'b.example')
  t.equal(b.heard(0, 'STATUS'), 'running')
  t.equal(a.gossip.malformed + b.gossip.malformed, 0)
})

/** What a message must not be; each refused as a whole. */
const WRONG: readonly (readonly [
  what: string,
  of: 'syn' | 'ack' | 'ack2',
  change: (bytes: Buffer) => Buffer,
])[] = [
  ['empty', 'syn', () => Buffer.alloc(0)],
  ['of an unknown step', 'syn', set(0, 4)],
  ['with a byte that should be zero', 'syn', set(1, 1)],
  ['of another member list', 'syn', set(2, 4)],
  ['longer than its digests', 'syn', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
  ['shorter than its digests', 'syn', (bytes) => bytes.subarray(0, -1)],
  ['with more requests than members', 'ack', set(2, 4)],
  ['with a request for nobody', 'ack', set(4, 3)],
  ['with more deltas than there are', 'ack', set(16, 2)],
  ['with a delta of nobody', 'ack2', set(4, 3)],
  ['with a generation of zero', 'ack2', (bytes) => bytes.fill(0, 6, 12)],
  ['with a version that is no newer than where it begins', 'ack2', (bytes) => bytes.fill(9, 12, 20)],
  ['with more states than a member may have', 'ack2', set(20, STATES_MAX + 1)],
  ['with a state of number zero', 'ack2', set(22, 0)],
  ['with a state that ends behind the message', 'ack2', set(24, 8)],
  ['with a state that is newer than its member', 'ack2', set(26, 3)],
  ['with a state that is older than the delta', 'ack2', set(26, 0)],
]

function set(at: number, value: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    bytes[at] = value
    return bytes
  }
}

for (const [what, of, change] of WRONG) {
  t.test(`a message ${what} is refused, and nothing of it taken`, async (t) => {
    const sound = messages()[of]
    const wrong = change(Buffer.from(sound))
    const listener = new Gossiper(3, of === 'ack' ? 0 : 1, of === 'ack' ? 1000 : 2000)
    const take = (message: Buffer): Buffer | null => {
      const { gossip } = listener
      if (of === 'ack') return gossip.takeAnswer(message, 0, message.length, at(0))
      return gossip.takeRequest(message, 0, message.length, at(0))
    }
    t.equal(take(wrong), null)
    t.equal(listener.gossip.malformed, 1)
    t.same(
      [0, 1, 2].map((member) => (member === listener.gossip.self ? 0 : listener.gossip.generationOf(member))),
      [0, 0, 0],
    )
    t.same(listener.told, [])
    take(sound)
    t.equal(listener.gossip.malformed, 1, 'what it was made of is sound')
  })
}

t.test('an answer is no request, and a request no answer', async (t) => {
  const { a, b, syn, ack, ack2 } = messages()
  for (const message of [syn, ack2]) t.equal(a.gossip.takeAnswer(message, 0, message.length, at(0)), null)
  t.equal(b.gossip.takeRequest(ack, 0, ack.length, at(0)), null)
  t.equal(a.gossip.malformed, 2)
  t.equal(b.gossip.malformed, 1)
})

t.test('a member cannot be given more states than the bounds allow, in however many messages', async (t) => {
  const { gossip } = new Gossiper(2, 1)
  const delta = (version: number, number: number, length: number): void => {
    const message = Buffer.alloc(4 + 18 + 8 + length)
    message[0] = 3
    message[2] = 1
    message.writeUIntLE(BORN_MS, 6, 6)
    message[12] = version
    message[16] = version - 1
    message[20] = 1
    message[22] = number
    message.writeUInt16LE(length, 24)
    message[26] = version
    gossip.takeRequest(message, 0, message.length, at(0))
  }
  for (let version = 1; version <= STATES_MAX; version++) delta(version, 100 + version, 10)
  t.equal(gossip.versionOf(0), STATES_MAX)
  delta(STATES_MAX + 1, 99, 10)
  t.equal(gossip.versionOf(0), STATES_MAX, 'one too many')
  delta(STATES_MAX + 1, 101, MEMBER_STATES_BYTES_MAX - 10 * (STATES_MAX - 1))
  t.equal(gossip.versionOf(0), STATES_MAX + 1, 'as large as may be')
  delta(STATES_MAX + 2, 102, 11)
  t.equal(gossip.versionOf(0), STATES_MAX + 1, 'a byte too large')
  t.equal(gossip.malformed, 2)
})

t.test('whatever bytes come, nothing breaks and no bound does', async (t) => {
  const seeded = new Seeded(4)
  const all = Array.from({ length: MEMBERS }, (_, self) => filled(self, seeded))
  const sound: Buffer[] = []
  for (const a of all) {
    for (const b of all) {
      if (a === b) continue
      const syn = a.gossip.syn()
      const ack = b.gossip.takeRequest(syn, 0, syn.length, at(0))!
      const ack2 = a.gossip.takeAnswer(ack, 0, ack.length, at(0))
      sound.push(syn, ack, ...(ack2 === null ? [] : [ack2]))
    }
  }
  const target = new Gossiper(MEMBERS, 2)
  let refused = 0
  for (let i = 0; i < FLIPS; i++) {
    const message = damaged(seeded.chance(20) ? seeded.bytes(seeded.below(300)) : seeded.pick(sound), seeded)
    const before = target.gossip.malformed
    const reply =
      target.gossip.takeRequest(message, 0, message.length, at(i)) ??
      target.gossip.takeAnswer(message, 0, message.length, at(i))
    if (reply !== null && reply.length > GOSSIP_BYTES_MAX) t.fail(`a reply of ${reply.length} bytes`)
    if (target.gossip.malformed > before) refused++
    if (i % 100 === 0 && !isWithinBounds(target.gossip)) t.fail(`bounds after message ${i}`)
  }
  t.ok(refused > FLIPS / 10, `${refused} were refused`)
  t.ok(isWithinBounds(target.gossip))
  const syn = target.gossip.syn()
  t.ok(all[0].gossip.takeRequest(syn, 0, syn.length, at(0)) !== null, 'it still gossips')
})

function filled(self: number, seeded: Seeded): Gossiper {
  const one = new Gossiper(MEMBERS, self)
  for (const name of NAMES) one.gossip.setOwn(name, seeded.bytes(seeded.below(200)))
  return one
}

/** A copy with bytes changed, cut off, or put in. */
function damaged(message: Buffer, seeded: Seeded): Buffer {
  const copy = Buffer.from(message)
  for (let flips = seeded.below(4); flips > 0 && copy.length > 0; flips--) {
    copy[seeded.below(Math.min(copy.length, seeded.chance(2) ? 40 : copy.length))] = seeded.below(256)
  }
  if (seeded.chance(5)) return copy.subarray(0, seeded.below(copy.length + 1))
  return seeded.chance(10) ? Buffer.concat([copy, seeded.bytes(seeded.below(20))]) : copy
}

function isWithinBounds(gossip: Gossip): boolean {
  return Array.from({ length: MEMBERS }, (_, member) => member).every((member) => {
    const states = NAMES.map((name) => gossip.stateOf(member, name)?.length ?? 0)
    const total = states.reduce((sum, length) => sum + length, 0)
    return (
      total <= MEMBER_STATES_BYTES_MAX && gossip.generationOf(member) <= at(FLIPS).wallMs + 366 * 86_400_000
    )
  })
}

/** The gossip state machine: what is told, what is taken, and to whom a round goes. */
import t from 'tap'
import {
  GENERATION_AHEAD_MS_MAX,
  GOSSIP_BYTES_MAX,
  MEMBER_STATES_BYTES_MAX,
} from '../../../src/membership/limits.js'
import { BORN_MS, Gossiper, at, exchange } from './gossip-world.js'

const YEAR_MS = GENERATION_AHEAD_MS_MAX

t.test('one exchange tells both sides everything, of third members too', async (t) => {
  const [a, b, c] = [0, 1, 2].map((self) => new Gossiper(3, self))
  a.say('ADDRESS', 'a.example')
  b.say('ADDRESS', 'b.example')
  c.say('ADDRESS', 'c.example')
  exchange(b, c)
  a.told.length = 0
  exchange(a, b)
  t.same(
    [0, 1, 2].map((member) => a.heard(member, 'ADDRESS')),
    ['a.example', 'b.example', 'c.example'],
  )
  t.equal(b.heard(0, 'ADDRESS'), 'a.example')
  t.equal(c.heard(0, 'ADDRESS'), null, 'nobody has told it yet')
  t.equal(c.gossip.generationOf(0), 0)
  t.same(a.told.map(({ member, name }) => `${name} of ${member}`).sort(), ['ADDRESS of 1', 'ADDRESS of 2'])
})

t.test('only what changed is sent again, and what did not change is not told as a change', async (t) => {
  const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
  a.say('ADDRESS', 'a'.repeat(1000))
  a.say('STATUS', 'running')
  exchange(a, b)
  b.told.length = 0
  a.say('STATUS', 'stopped')
  a.say('ADDRESS', 'a'.repeat(1000))
  const sizes: number[] = []
  exchange(a, b, at(0), (bytes) => sizes.push(bytes) > 0)
  t.same(b.told, [{ member: 0, name: 'STATUS' }])
  t.equal(b.heard(0, 'STATUS'), 'stopped')
  t.ok(Math.max(...sizes) < 100, `the long address stayed at home: ${sizes.join(' ')}`)
})

t.test('nothing new: a SYN, an ACK of six bytes, and no ACK2', async (t) => {
  const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
  exchange(a, b)
  const sizes: number[] = []
  exchange(a, b, at(0), (bytes) => sizes.push(bytes) > 0)
  t.same(sizes, [24, 6])
})

t.test('messages that are lost, repeated or late cost nothing but time', async (t) => {
  const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
  a.say('STATUS', 'one')
  const now = at(0)
  const syn = a.gossip.syn()
  const ack = b.gossip.takeRequest(syn, 0, syn.length, now)!
  const first = a.gossip.takeAnswer(ack, 0, ack.length, now)!
  a.say('STATUS', 'two')
  const second = a.gossip.takeAnswer(ack, 0, ack.length, now)!
  for (const message of [second, first, first, second]) b.gossip.takeRequest(message, 0, message.length, now)
  t.equal(b.heard(0, 'STATUS'), 'two', 'the newer one stays')
  t.equal(b.told.filter(({ name }) => name === 'STATUS').length, 1)
  exchange(a, b, now, () => false)
  t.equal(b.heard(0, 'STATUS'), 'two')
})

t.test('a delta that does not connect to what is held is not taken', async (t) => {
  const [a, b, c] = [0, 1, 2].map((self) => new Gossiper(3, self))
  a.say('ADDRESS', 'here')
  exchange(a, b)
  a.say('STATUS', 'running')
  const syn = b.gossip.syn()
  const ack = a.gossip.takeRequest(syn, 0, syn.length, at(0))!
  // Says what A is beyond what B knows; C knows nothing of A, and would miss its address for ever.
  c.gossip.takeAnswer(ack, 0, ack.length, at(0))
  t.equal(c.gossip.generationOf(0), 0)
  t.equal(c.heard(0, 'STATUS'), null)
  exchange(a, c)
  t.equal(c.heard(0, 'STATUS'), 'running')
  t.equal(c.heard(0, 'ADDRESS'), 'here')
})

t.test('a restarted member says everything anew; what its earlier start said is gone', async (t) => {
  const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
  a.say('STATUS', 'running')
  a.say('PURGED', 'old')
  for (let i = 0; i < 100; i++) a.gossip.targets(() => true)
  exchange(a, b)
  b.told.length = 0
  const again = new Gossiper(2, 0, BORN_MS + 1)
  again.say('STATUS', 'running')
  exchange(again, b)
  t.equal(b.gossip.generationOf(0), BORN_MS + 1, 'although its version is lower')
  t.equal(b.heard(0, 'PURGED'), null)
  t.same(b.told, [{ member: 0, name: 'PURGED' }], 'the status is as before')
  exchange(a, b)
  t.equal(b.gossip.generationOf(0), BORN_MS + 1, 'the earlier start is not heard any more')
})

t.test('a member that hears of a higher generation of itself takes a higher one', async (t) => {
  for (const initiates of [true, false]) {
    const [a, b] = [0, 1].map((self) => new Gossiper(2, self, BORN_MS + 5000))
    a.say('STATUS', 'before')
    exchange(a, b)
    const again = new Gossiper(2, 0, BORN_MS)
    again.say('STATUS', 'after')
    exchange(initiates ? again : b, initiates ? b : again)
    exchange(initiates ? again : b, initiates ? b : again)
    t.ok(again.gossip.generationOf(0) > BORN_MS + 5000)
    t.equal(b.heard(0, 'STATUS'), 'after')
  }
})

t.test(
  'two processes of one generation do not hide each other: the later version makes the other rise',
  async (t) => {
    const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
    for (let i = 0; i < 5; i++) a.say('STATUS', `${i}`)
    exchange(a, b)
    const twin = new Gossiper(2, 0)
    twin.say('STATUS', 'twin')
    exchange(twin, b)
    exchange(twin, b)
    t.equal(b.heard(0, 'STATUS'), 'twin')
  },
)

t.test(
  'a generation that nobody could outlive is not believed, neither of others nor of oneself',
  async (t) => {
    const [a, b] = [0, 1].map((self) => new Gossiper(2, self, self === 0 ? BORN_MS + 2 * YEAR_MS : BORN_MS))
    exchange(a, b)
    t.equal(b.gossip.generationOf(0), 0)
    t.ok(b.gossip.malformed > 0)
    const again = new Gossiper(2, 0)
    const liar = new Gossiper(2, 1)
    exchange(a, liar, at(2 * YEAR_MS))
    exchange(again, liar)
    t.equal(again.gossip.generationOf(0), BORN_MS)
    t.ok(again.gossip.malformed > 0)
  },
)

t.test(
  'what is told of all members never exceeds the bound of a message, and all of it arrives in the end',
  async (t) => {
    const members = 40
    const all = Array.from({ length: members }, (_, self) => new Gossiper(members, self))
    const long = (self: number): string => `${self} `.repeat(1000).slice(0, 3000)
    all.forEach((one, self) => one.say('PURGED', long(self)))
    const [first, second] = all
    const largest: number[] = []
    for (const one of all.slice(2)) exchange(one, second)
    let exchanges = 0
    while (all.some((_, member) => first.heard(member, 'PURGED') === null) && exchanges < 10) {
      exchange(first, second, at(0), (bytes) => largest.push(bytes) > 0)
      exchanges++
    }
    t.ok(exchanges > 1 && exchanges < 10, `${exchanges} exchanges`)
    t.ok(Math.max(...largest) <= GOSSIP_BYTES_MAX, `${Math.max(...largest)} bytes`)
    t.equal(first.heard(39, 'PURGED'), long(39))
  },
)

t.test('members that always have something long to say do not keep others from being heard', async (t) => {
  const members = 40
  const all = Array.from({ length: members }, (_, self) => new Gossiper(members, self))
  const [first, second] = all
  for (let i = 0; i < 2 * members; i++) {
    all.forEach((one) => one.say('PURGED', `${i} `.repeat(1500)))
    for (const one of all.slice(2)) exchange(one, second)
    exchange(second, first)
  }
  const unheard = all.filter((_, member) => first.heard(member, 'PURGED') === null)
  t.same(unheard.length, 0, 'though each message has room for fewer than half of them')
})

t.test(
  'what one member may say fits into one message; more is refused as a fault of the program',
  async (t) => {
    const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
    a.say('PURGED', 'p'.repeat(MEMBER_STATES_BYTES_MAX - 1))
    a.say('STATUS', '1')
    exchange(a, b)
    t.equal(b.heard(0, 'PURGED')?.length, MEMBER_STATES_BYTES_MAX - 1)
    t.throws(() => a.say('STATUS', '12'), /bounds/)
  },
)

t.test('every round shows that a member lives, whether or not it says anything', async (t) => {
  const [a, b] = [0, 1].map((self) => new Gossiper(2, self))
  exchange(a, b, at(10))
  t.equal(b.gossip.silenceMs(0, 50), 40)
  exchange(a, b, at(500))
  t.equal(b.gossip.silenceMs(0, 500), 490, 'hearing the same again is no news')
  a.gossip.targets(() => true)
  exchange(a, b, at(900))
  t.equal(b.gossip.silenceMs(0, 1000), 100)
  t.equal(new Gossiper(2, 0).gossip.silenceMs(1, 1e12), Infinity)
})

t.test('a round goes to a live member, by chance to a dead one and a seed, as in Cassandra', async (t) => {
  const ROUNDS = 20_000
  const MEMBERS = 20
  const DEAD = new Set([15, 16, 17, 18, 19])
  const { gossip } = new Gossiper(MEMBERS, 10)
  const hits = new Array<number>(MEMBERS).fill(0)
  for (let i = 0; i < ROUNDS; i++) {
    const targets = gossip.targets((member) => !DEAD.has(member))
    if (new Set(targets).size !== targets.length) t.fail('each once')
    for (const target of targets) hits[target]++
  }
  const share = (member: number): number => hits[member] / ROUNDS
  const near = (member: number, expected: number): void => {
    t.ok(Math.abs(share(member) - expected) < 0.15 * expected, `${member}: ${share(member)} for ${expected}`)
  }
  t.equal(share(10), 0, 'never to itself')
  near(12, 1 / 14)
  near(16, 5 / 15 / 5)
  // A seed is met with 3/14 anyway; of the other rounds 3/19 go to one of the three.
  near(1, 1 / 14 + ((11 / 14) * (3 / 19)) / 3)
})

t.test(
  'whoever reaches nobody tries a seed and a dead member each round; alone there is nobody',
  async (t) => {
    const { gossip } = new Gossiper(20, 10)
    for (let i = 0; i < 50; i++) {
      const targets = gossip.targets(() => false)
      t.ok(targets.some((target) => target < 3))
    }
    t.same(
      new Gossiper(1, 0).gossip.targets(() => true),
      [],
    )
  },
)

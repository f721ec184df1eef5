/**
 * Members that gossip in rounds, as pure state machines without nodes around them: for tests and benchmarks of sizes that nobody could
 * start.
 */
import { Gossip } from '../../src/membership/gossip.js'
import type { Moment } from '../../src/membership/member-table.js'
import { SimRandom } from '../../src/sim/sim-random.js'

export const BORN_MS = 1_800_000_000_000

export function at(monotonicMs: number): Moment {
  return { monotonicMs, wallMs: BORN_MS + monotonicMs }
}

/** What a network does to a message of so many bytes: false loses it. */
export type Delivery = (bytes: number) => boolean

const DELIVERED: Delivery = () => true

/** SYN, ACK, ACK2 between two members, each message as the network likes. */
export function exchangeOf(from: Gossip, to: Gossip, now: Moment, delivers: Delivery = DELIVERED): void {
  const syn = from.syn()
  if (!delivers(syn.length)) return
  const ack = to.takeRequest(syn, 0, syn.length, now)
  if (ack === null || !delivers(ack.length)) return
  const ack2 = from.takeAnswer(ack, 0, ack.length, now)
  if (ack2 !== null && delivers(ack2.length)) to.takeRequest(ack2, 0, ack2.length, now)
}

/**
 * Members that gossip once in a round, each at its own moment of it, all of them live. Rounds are counted from now: after
 * `round()` ran n times every member has begun n rounds.
 */
export class GossipRounds {
  readonly members: readonly Gossip[]
  /** Of all members together. */
  bytes = 0
  largestBytes = 0
  #rounds = 0
  readonly #random: SimRandom
  readonly #order: readonly number[]
  readonly #lossChance: number

  constructor(seed: number | string, members: number, lossChance = 0) {
    this.#random = new SimRandom(`gossip ${seed}`)
    this.#lossChance = lossChance
    const all = Array.from({ length: members }, (_, i) => i)
    this.members = all.map((self) => new Gossip(members, self, BORN_MS, this.#random, () => {}))
    this.#order = shuffled(all, this.#random)
  }

  round(): void {
    const now = at(1000 * ++this.#rounds)
    const delivers = (bytes: number): boolean => {
      this.bytes += bytes
      this.largestBytes = Math.max(this.largestBytes, bytes)
      return this.#lossChance === 0 || !this.#random.chance(this.#lossChance)
    }
    for (const self of this.#order) {
      const member = this.members[self]
      for (const target of member.targets(() => true)) {
        exchangeOf(member, this.members[target], now, delivers)
      }
    }
  }

  /** Rounds until all know what a member has said just now; `limit` when it took as many or more. */
  roundsUntilAllKnow(member: number, text: string, limit: number): number {
    this.members[member].setOwn('STATUS', Buffer.from(text))
    for (let rounds = 1; rounds <= limit; rounds++) {
      this.round()
      if (this.members.every((one) => one.stateOf(member, 'STATUS')?.toString() === text)) return rounds
    }
    return limit
  }
}

function shuffled(from: readonly number[], random: SimRandom): number[] {
  const left = [...from]
  return from.map(() => left.splice(random.below(left.length), 1)[0])
}

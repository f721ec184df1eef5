/** Members that gossip with each other in a test, and what their listeners are told. */
import { Gossip } from '../../../src/membership/gossip.js'
import type { StateName } from '../../../src/membership/state-names.js'
import { SimRandom } from '../../../src/sim/sim-random.js'
import { BORN_MS, at, exchangeOf } from '../../support/gossip-rounds.js'
import type { Delivery } from '../../support/gossip-rounds.js'

export { BORN_MS, at }

export interface Told {
  readonly member: number
  readonly name: StateName
}

/** A member, and what its listener was told. */
export class Gossiper {
  readonly gossip: Gossip
  readonly told: Told[] = []

  constructor(members: number, self: number, generation = BORN_MS) {
    this.gossip = new Gossip(members, self, generation, new SimRandom(self), (member, name) => {
      this.told.push({ member, name })
    })
  }

  say(name: StateName, text: string): void {
    this.gossip.setOwn(name, Buffer.from(text))
  }

  heard(member: number, name: StateName): string | null {
    return this.gossip.stateOf(member, name)?.toString() ?? null
  }
}

/** SYN, ACK, ACK2 between two members, each message as the network likes. */
export function exchange(from: Gossiper, to: Gossiper, now = at(0), delivers?: Delivery): void {
  exchangeOf(from.gossip, to.gossip, now, delivers)
}

/**
 * When the pongs of a peer arrive that is pinged every so often over a bad network, or that stands still now and then: what
 * the failure detector sees of a peer that lives.
 *
 * Loss on a TCP connection shows as delay. The model: each packet is lost with a chance of its own; it is sent again after
 * 200 ms, then 400, then 800 (Linux's shortest retransmission timeout, doubling, and no faster way of noticing); what was sent behind
 * it waits for it, since a stream is in order. Both directions of a round trip are such streams. A peer that stands still
 * takes what came meanwhile when it goes on.
 */
import type { SimRandom } from '../src/sim/sim-random.js'

const RETRANSMIT_MS = 200
const RETRANSMISSIONS_MAX = 15

export interface LossyLinkOptions {
  readonly random: SimRandom
  readonly pingIntervalMs: number
  /** Of a packet, in either direction. */
  readonly lossChance: number
  /** Of the peer; 0 for none. */
  readonly pauseMs: number
  /** From the end of a pause to the next one, on average. */
  readonly pauseEveryMs: number
  /** One way, when nothing is lost. */
  readonly delayMs: number
}

/** The times of the pongs of pings at 0, pingIntervalMs, 2 x pingIntervalMs …, ascending. */
export function* pongTimes(options: LossyLinkOptions): Generator<number, never> {
  const { random, pingIntervalMs, pauseMs, pauseEveryMs } = options
  let there = 0
  let back = 0
  let pauseAtMs = pauseMs > 0 ? untilPause(random, pauseEveryMs) : Infinity
  for (let sentMs = 0; ; sentMs += pingIntervalMs) {
    there = Math.max(there, sentMs + travelMs(options))
    while (there >= pauseAtMs + pauseMs) pauseAtMs += pauseMs + untilPause(random, pauseEveryMs)
    const answeredMs = there >= pauseAtMs ? pauseAtMs + pauseMs : there
    back = Math.max(back, answeredMs + travelMs(options))
    yield back
  }
}

function travelMs({ random, lossChance, delayMs }: LossyLinkOptions): number {
  let totalMs = delayMs
  for (let lost = 0; lost < RETRANSMISSIONS_MAX && random.chance(lossChance); lost++) {
    totalMs += RETRANSMIT_MS * 2 ** lost
  }
  return totalMs
}

/** Exponentially distributed: pauses come independently of each other. */
function untilPause(random: SimRandom, meanMs: number): number {
  return -meanMs * Math.log(1 - random.fraction())
}

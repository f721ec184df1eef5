/**
 * Whether the nodes can know what time it is, as somebody sees it who sees everything. A node knows it once two clocks agree, its own
 * among them or not, and goes on to know it for the rest of its life, by its monotonic clock. One that was started since, and has
 * heard of one other clock only, or of none, cannot tell which is wrong while one is: nothing is promised then about what expires
 * (RULES T5).
 */
import type { SimClock } from '../sim-clock.js'
import type { SimCluster } from '../sim-cluster.js'
import type { SimNode } from '../sim-node.js'

/** From a link's being possible to its being there, and the clock behind it being known. */
const HEARD_MS = 2000
/** After so long without a look nobody knows what was. */
const UNSEEN_MS = 500

interface Life {
  readonly clock: SimClock
  /** Since when it hears enough of right clocks; Infinity while it does not. */
  hearsSinceMs: number
  knows: boolean
}

export class ClockWatch {
  readonly #cluster: SimCluster
  readonly #isWrong: (node: SimNode) => boolean
  readonly #lives = new Map<SimNode, Life>()
  #lastLookMs = -Infinity

  /** `isWrong`: whether a node's clock is, or was so shortly ago that others may not have seen it be right. */
  constructor(cluster: SimCluster, isWrong: (node: SimNode) => boolean) {
    this.#cluster = cluster
    this.#isWrong = isWrong
  }

  /** Asked often: what happens between two looks is not seen. */
  isTimeKnown(): boolean {
    const running = this.#cluster.nodes.filter((node) => node.isRunning)
    const { nowMs } = this.#cluster.queue
    const wasUnseen = nowMs - this.#lastLookMs > UNSEEN_MS
    this.#lastLookMs = nowMs
    let allKnow = true
    for (const node of running) {
      const life = this.#lifeOf(node)
      if (!this.#hearsEnough(node, running)) life.hearsSinceMs = Infinity
      else if (wasUnseen || life.hearsSinceMs === Infinity) life.hearsSinceMs = nowMs
      if (nowMs - life.hearsSinceMs >= HEARD_MS) life.knows = true
      allKnow &&= life.knows
    }
    return allKnow || !running.some(this.#isWrong)
  }

  #lifeOf(node: SimNode): Life {
    const { clock } = node
    const known = this.#lives.get(node)
    if (known?.clock === clock) return known
    const life = { clock, hearsSinceMs: Infinity, knows: false }
    this.#lives.set(node, life)
    return life
  }

  #hearsEnough(node: SimNode, running: readonly SimNode[]): boolean {
    const right = running.filter(
      (one) => one !== node && !this.#isWrong(one) && !one.clock.isPaused && this.#reaches(node, one),
    )
    return !node.clock.isPaused && right.length >= (this.#isWrong(node) ? 2 : 1)
  }

  #reaches({ address }: SimNode, other: SimNode): boolean {
    const { network } = this.#cluster
    return !network.isBlocked(address, other.address) && !network.isBlocked(other.address, address)
  }
}

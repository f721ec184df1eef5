/**
 * The tree of one range and hour of death: per leaf, an interval of tokens, the sum of what its keys add (record-share.ts),
 * in two words without a carry between them. Sums, not hashes of hashes: an update needs no more than the old record and
 * the new one, and sums of sums are inner nodes and the root, at whatever width an exchange asks for. The sum of random
 * 64 bits tells sets apart as well as a hash of the sorted list would.
 *
 * A tree may be *folded*: it has a root and no leaves. Whoever differs in it walks all of the range.
 */
import { assert } from '../../util/assert.js'

/** The words of one node of a tree: a set of records. Mutable. */
export interface TreeHash {
  low: number
  high: number
}

export class HourTree implements TreeHash {
  /** The root: signed 32-bit words. */
  low = 0
  high = 0
  /** Keys in it. Below 0 only in trees that are to be added to others. */
  keys = 0
  /** No entry of these keys has a higher sequence; not kept of what never dies. */
  lastArrival = 0
  #leaves: Int32Array | null

  /** @param leaves how many; 0 for a folded tree. */
  constructor(leaves: number) {
    this.#leaves = leaves === 0 ? null : new Int32Array(2 * leaves)
  }

  /** By leaf: low, high; null when folded. */
  get leaves(): Int32Array | null {
    return this.#leaves
  }

  /** Adds words to a leaf, one of this tree's, and so many keys to the tree. */
  change(leaf: number, low: number, high: number, keys: number): void {
    const leaves = this.#leaves
    this.low = (this.low + low) | 0
    this.high = (this.high + high) | 0
    this.keys += keys
    if (leaves === null) return
    leaves[2 * leaf] += low
    leaves[2 * leaf + 1] += high
  }

  /** Adds all that another tree of the same range and hour holds. Where that one is folded, this one becomes so. */
  merge(other: HourTree): void {
    this.low = (this.low + other.low) | 0
    this.high = (this.high + other.high) | 0
    this.keys += other.keys
    this.lastArrival = Math.max(this.lastArrival, other.lastArrival)
    const leaves = this.#leaves
    if (other.leaves === null) this.#leaves = null
    else if (leaves !== null) for (let i = 0; i < leaves.length; i++) leaves[i] += other.leaves[i]
  }

  get leafCount(): number {
    return this.#leaves === null ? 0 : this.#leaves.length / 2
  }

  /** Nothing is in it, nor is anything to be taken away from another. */
  get isEmpty(): boolean {
    return this.keys === 0 && this.low === 0 && this.high === 0
  }

  /** The nodes of the level that has `count` of them, a power of two, leafCount at most: low, high of each. */
  nodes(count: number): Int32Array {
    const { leaves, leafCount } = this
    assert(leaves !== null && count > 0 && leafCount % count === 0, 'a level of the tree')
    const nodes = new Int32Array(2 * count)
    const leavesPerNode = leafCount / count
    for (let leaf = 0; leaf < leafCount; leaf++) {
      const node = Math.floor(leaf / leavesPerNode)
      nodes[2 * node] += leaves[2 * leaf]
      nodes[2 * node + 1] += leaves[2 * leaf + 1]
    }
    return nodes
  }
}

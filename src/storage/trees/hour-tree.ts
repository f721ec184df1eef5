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
  /** No entry of these keys has a higher sequence. */
  lastArrival = 0
  /** By leaf: low, high; null when folded. */
  readonly leaves: Int32Array | null

  constructor(leaves: number) {
    this.leaves = leaves === 0 ? null : new Int32Array(2 * leaves)
  }

  /** Adds (`sign` 1) or takes away (-1) a record's share. `leaf` is one of this tree's. */
  change(low: number, high: number, leaf: number, sign: number): void {
    const { leaves } = this
    const signedLow = Math.imul(low, sign)
    const signedHigh = Math.imul(high, sign)
    this.low = (this.low + signedLow) | 0
    this.high = (this.high + signedHigh) | 0
    this.keys += sign
    if (leaves === null) return
    leaves[2 * leaf] += signedLow
    leaves[2 * leaf + 1] += signedHigh
  }

  get leafCount(): number {
    return this.leaves === null ? 0 : this.leaves.length / 2
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

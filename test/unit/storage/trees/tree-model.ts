/** The trees of a store, told by a walk over all that it holds: what RangeTrees has to say without one. */
import { NEVER_DIES, keyLength, keyStart } from '../../../../src/record/layout.js'
import { SLOT_COUNT } from '../../../../src/ring/slot.js'
import { KeyHash, slotOfToken } from '../../../../src/ring/token.js'
import { entrySequence } from '../../../../src/storage/entry.js'
import type { Partitions } from '../../../../src/storage/partitions.js'
import { walkInterval } from '../../../../src/storage/trees/interval-walk.js'
import type { RangeTrees } from '../../../../src/storage/trees/range-trees.js'
import { hourEndMsOf, RecordShare } from '../../../../src/storage/trees/record-share.js'
import type { StorageMachine } from '../../../sim/storage-machine.js'

/** Runs of slots of different lengths, the last of a single one. */
export const RANGES: Partitions = partitionsFrom('five runs', [0, 1000, 8000, 8001, 16_383])

export function partitionsFrom(version: string, firstSlots: readonly number[]): Partitions {
  const ofSlot = new Uint16Array(SLOT_COUNT)
  firstSlots.forEach((slot, range) => ofSlot.fill(range, slot))
  return { version, ofSlot, count: firstSlots.length }
}

/** A tree as text: range, end of the hour, keys, and every leaf that is not zero. */
export type TreeTexts = Map<string, string>

interface CountedTree {
  keys: number
  readonly leaves: Map<number, [number, number]>
}

/** All trees of a machine's store, by a walk from end to end. */
export async function walkedTrees(machine: StorageMachine, trees: RangeTrees): Promise<TreeTexts> {
  const { store, env } = machine
  const counted = new Map<string, CountedTree>()
  const share = new RecordShare()
  const hash = new KeyHash()
  const walks = Array.from({ length: trees.ranges.count }, (_, range) =>
    walkInterval(store, env.clock, trees.ranges.interval(range), (bytes, record) => {
      if (!share.of(bytes, record, store.flushMark)) return true
      const start = keyStart(record)
      hash.of(bytes, start, start + keyLength(bytes, record))
      if (trees.ranges.ofSlot[slotOfToken(hash.token)] !== range) throw new Error('a key of another range')
      const hourEndMs = hourEndMsOf(share.hour)
      const name = `${range} ${hourEndMs}`
      const tree = counted.get(name) ?? { keys: 0, leaves: new Map<number, [number, number]>() }
      counted.set(name, tree)
      tree.keys++
      const leaf = trees.leafOf(range, hourEndMs, hash.token)
      const sum = tree.leaves.get(leaf) ?? [0, 0]
      tree.leaves.set(leaf, [(sum[0] + share.low) | 0, (sum[1] + share.high) | 0])
      // Of what never dies, and of purged hours, nobody asks.
      if (
        hourEndMs !== NEVER_DIES &&
        trees.keysOf(range, hourEndMs) > 0 &&
        trees.lastArrivalOf(range, hourEndMs) < entrySequence(bytes, record)
      ) {
        throw new Error(`an entry arrived after the last of its hour: ${name}`)
      }
      return true
    }),
  )
  await machine.ended(Promise.all(walks), 'the walks end')
  return new Map([...counted].map(([name, { keys, leaves }]) => [name, textOf(keys, leaves)]))
}

/** The trees as they are kept. */
export function keptTrees(trees: RangeTrees): TreeTexts {
  const texts: TreeTexts = new Map()
  for (let range = 0; range < trees.ranges.count; range++) {
    for (const hourEndMs of trees.hoursOf(range)) {
      const nodes = trees.nodesOf(range, hourEndMs, trees.leafCountOf(range, hourEndMs))
      const leaves = new Map<number, [number, number]>()
      for (let leaf = 0; leaf < nodes.length / 2; leaf++) {
        if (nodes[2 * leaf] !== 0 || nodes[2 * leaf + 1] !== 0) {
          leaves.set(leaf, [nodes[2 * leaf], nodes[2 * leaf + 1]])
        }
      }
      checkRoot(trees, range, hourEndMs, nodes)
      texts.set(`${range} ${hourEndMs}`, textOf(trees.keysOf(range, hourEndMs), leaves))
    }
  }
  return texts
}

function checkRoot(trees: RangeTrees, range: number, hourEndMs: number, nodes: Int32Array): void {
  const root = { low: 0, high: 0 }
  trees.rootOf(range, hourEndMs, root)
  for (let i = 0; i < nodes.length; i += 2) {
    root.low = (root.low - nodes[i]) | 0
    root.high = (root.high - nodes[i + 1]) | 0
  }
  if (root.low !== 0 || root.high !== 0) throw new Error('the root is the sum of the leaves')
}

function textOf(keys: number, leaves: ReadonlyMap<number, readonly [number, number]>): string {
  const parts = [...leaves].sort(([a], [b]) => a - b).map(([leaf, [low, high]]) => `${leaf}:${low},${high}`)
  return `${keys} keys ${parts.join(' ')}`
}

/** What differs first, or null. */
export function treeDifference(kept: TreeTexts, walked: TreeTexts): string | null {
  for (const name of new Set([...kept.keys(), ...walked.keys()])) {
    const [one, other] = [kept.get(name) ?? 'nothing', walked.get(name) ?? 'nothing']
    if (one !== other) return `tree ${name}: kept ${one}, walked ${other}`
  }
  return null
}

/** What an exchange asks of the Merkle trees that the store keeps. */
import type { RangeTrees as StoredTrees } from '../storage/trees/range-trees.js'

export type RangeTrees = Pick<
  StoredTrees,
  | 'isReady'
  | 'hoursOf'
  | 'rootOf'
  | 'rootAbove'
  | 'leafCountOf'
  | 'nodesOf'
  | 'nodeInterval'
  | 'lastArrivalOf'
  | 'forgetHours'
>

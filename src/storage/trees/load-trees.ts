/**
 * The trees of a store that is opened: those that the last flush saved, which lack what came after it, or empty ones that are to be
 * counted. Nothing is counted here (tree-keeper.ts does it behind the start).
 *
 * What was saved is of use as long as it is known which tables it was saved of: a compaction that merges them with later ones
 * ends that, and takes the file out of the manifest (live-files.ts). The tables themselves do not tell: of one whose keys were all
 * written again nothing is left. Damaged, foreign (of another ring) or older than the flush mark, it is of no use either.
 */
import { CorruptionError } from '../corruption-error.js'
import { diskErrorCode } from '../disk-error.js'
import { pathOf, treesFileName } from '../file-names.js'
import type { ManifestState } from '../manifest.js'
import { ONE_PARTITION } from '../partitions.js'
import type { StoreEnv, StoreOptions } from '../store-options.js'
import { RangeTrees } from './range-trees.js'
import type { SavedBase } from './tree-keeper.js'
import { TreeRanges } from './tree-ranges.js'
import { readTrees } from './trees-file.js'
import type { SavedTrees } from './trees-file.js'

export interface LoadedTrees {
  readonly trees: RangeTrees
  /** What the ranges that are not ready lack; null when that is everything. */
  readonly base: SavedBase | null
}

/** Null where no trees are kept. `hasLogs`: entries are in logs. `flushMark`: as of the newest entry. Throws the disk's errors. */
export function loadTrees(
  env: StoreEnv,
  { directory, keepsTrees = false, partitions = ONE_PARTITION }: StoreOptions,
  state: ManifestState,
  hasLogs: boolean,
  flushMark: number,
): LoadedTrees | null {
  if (!keepsTrees) return null
  const trees = new RangeTrees(new TreeRanges(partitions))
  trees.flush(flushMark)
  if (state.tables.length === 0 && !hasLogs) return { trees, base: null }
  for (let range = 0; range < trees.ranges.count; range++) trees.reset(range)
  const saved = readSaved(env, directory, state)
  const doubt = saved === null ? 'none are saved' : doubtOf(saved, trees)
  if (saved === null || doubt !== null) {
    env.log.info('trees are counted anew', { reason: doubt })
    return { trees, base: null }
  }
  const known: number[] = []
  saved.ranges.forEach(({ hours, floor }, range) => {
    if (hours === null) return
    trees.reset(range, floor)
    trees.merge(range, hours)
    known.push(range)
  })
  return { trees, base: { sequence: saved.sequence, ranges: known } }
}

/** Null when the file is damaged or gone, which is said in the log, or when there is none. */
function readSaved(
  { disk, log }: StoreEnv,
  directory: string,
  { treesFile }: ManifestState,
): SavedTrees | null {
  if (treesFile === 0) return null
  try {
    return readTrees(disk, pathOf(directory, treesFileName(treesFile)))
  } catch (error) {
    if (!(error instanceof CorruptionError) && diskErrorCode(error) !== 'ENOENT') throw error
    log.warn('saved trees are damaged', { error: String(error) })
    return null
  }
}

/** Why saved trees are of no use; null when they are. */
function doubtOf(saved: SavedTrees, { ranges, flushMark }: RangeTrees): string | null {
  if (saved.version !== ranges.version || saved.ranges.length !== ranges.count)
    return 'they are of another ring'
  return saved.flushMark === flushMark ? null : 'a flush mark has come since'
}

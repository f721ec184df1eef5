/**
 * SCAN, KEYS and RANDOMKEY over a cluster: the same commands as in scan.ts, whose steps are asked of replicas instead of the
 * own store (RULES R4). The cursor is a token here as there, so a scan may go on at any node.
 */
import type { Level } from '../coordinator/consistency.js'
import { isLevel, QUORUM } from '../coordinator/consistency.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import type { ClusterKeyspace, Scope } from './cluster-keyspace.js'
import { scopeOf } from './cluster-keyspace.js'
import {
  CURSOR_END,
  KEYS_REPLY_TOO_LARGE,
  KEYS_STEP_KEYS,
  KeyList,
  RANDOM_KEYS,
  SCAN_GLOB_STEPS_MAX,
  SCAN_KEYS_MAX,
  SCAN_REPLY_BYTES_MAX,
  SCAN_STEP_KEYS,
  renderScan,
} from './key-list.js'
import type { Request } from './request.js'
import type { ScanOptions } from './scan.js'

/** Steps of one SCAN: a call ends, with fewer keys than asked for, where many ranges hold little. */
const SCAN_STEPS_MAX = 64

/** Whose keys are walked, and how many replicas have to agree on them. */
export interface ClusterWalk {
  readonly keyspace: ClusterKeyspace
  readonly scope: Scope
  readonly level: Level
}

export function clusterWalkOf(request: Request, keyspace: ClusterKeyspace): ClusterWalk {
  const { readLevel } = request.session
  const level = isLevel(readLevel) ? readLevel : (request.node.cluster?.readLevel ?? QUORUM)
  return { keyspace, scope: scopeOf(request), level }
}

export async function scanCluster(
  { keyspace, scope, level }: ClusterWalk,
  options: ScanOptions,
  reply: ReplyWriter,
): Promise<void> {
  const list = new KeyList(options.glob)
  let { cursor } = options
  let left = Math.min(options.count, SCAN_KEYS_MAX)
  if (cursor >= CURSOR_END) return renderScan(reply, 0, list)
  for (let steps = 0; steps < SCAN_STEPS_MAX && left > 0; steps++) {
    const step = await keyspace.scan(scope, cursor, Math.min(left, SCAN_STEP_KEYS), level, list.visit)
    cursor = step.next
    left -= step.looked
    if (cursor === 0 || list.items.length >= SCAN_REPLY_BYTES_MAX || list.globSteps >= SCAN_GLOB_STEPS_MAX)
      break
  }
  renderScan(reply, cursor, list)
}

/** KEYS, whose reply may have `sizeMax` bytes. */
export async function keysOfCluster(
  { keyspace, scope, level }: ClusterWalk,
  list: KeyList,
  sizeMax: number,
  reply: ReplyWriter,
): Promise<void> {
  let cursor = 0
  do {
    const step = await keyspace.scan(scope, cursor, KEYS_STEP_KEYS, level, list.visit)
    cursor = step.next
  } while (cursor !== 0 && list.items.length <= sizeMax)
  if (list.items.length > sizeMax) reply.error(KEYS_REPLY_TOO_LARGE)
  else list.render(reply)
}

/** RANDOMKEY: the key number `pick` behind a random token, going round at the end; nil only when there is no key. */
export async function randomKeyOfCluster(
  { keyspace, scope, level }: ClusterWalk,
  pick: number,
  reply: ReplyWriter,
): Promise<void> {
  const keys: Buffer[] = []
  const visit = (bytes: Buffer, start: number, end: number): void => {
    keys.push(Buffer.from(bytes.subarray(start, end)))
  }
  const from = keyspace.randomToken(scope)
  let cursor = from
  let isSecondRound = false
  while (keys.length <= pick && !(isSecondRound && cursor > from)) {
    const { next } = await keyspace.scan(scope, cursor, RANDOM_KEYS, level, visit)
    // Behind `from` everything has been seen in the first round.
    if (next === 0 && isSecondRound) break
    if (next === 0) isSecondRound = true
    cursor = next
  }
  if (keys.length === 0) return reply.nil()
  const key = keys[pick % keys.length]
  reply.bulk(key, 0, key.length)
}

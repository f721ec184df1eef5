/**
 * The commands that walk the keyspace: SCAN, KEYS, RANDOMKEY.
 *
 * SCAN's cursor is a token (RULES R4): the next key to look at lies at or after it, so a key that is there throughout is
 * seen exactly once, whatever is written meanwhile. A call is bounded three times: by COUNT, by the bytes of its reply
 * and by what the pattern costs; whichever ends it, the cursor goes on from there. Steps that are not in memory end a
 * call that has something to show; only the first one makes it wait.
 *
 * KEYS takes the same steps and lets other connections run between them, so it is no snapshot: a key that is written
 * or deleted meanwhile may be shown or not. Small keyspaces are answered at once.
 */
import { COLD_SCAN } from '../coordinator/keyspace.js'
import type { Keyspace } from '../coordinator/keyspace.js'
import type { Clock } from '../env/clock.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { Glob } from '../util/glob.js'
import { clusterWalkOf, keysOfCluster, randomKeyOfCluster, scanCluster } from './cluster-scan.js'
import { integerOf, isWord, textOf } from './args.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './error-texts.js'
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
import { HeldBlocks, endOfTurn } from './held-blocks.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'

const BAD_CURSOR = 'ERR invalid cursor'

const COUNT_DEFAULT = 10
const CURSOR_TEXT = /^[+-]?\d*$/
const UINT64_MAX = 2n ** 64n - 1n

const STAR = 0x2a

export interface ScanOptions {
  readonly cursor: number
  count: number
  glob: Glob | null
  /** False when TYPE names another type than the one there is: then the walk is over before it starts. */
  strings: boolean
}

/** SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] */
export function scan(request: Request): Outcome {
  const options = readScanOptions(request)
  if (typeof options === 'string') {
    request.reply.error(options)
    return DONE
  }
  const { clusterKeyspace } = request.node
  if (clusterKeyspace !== null && options.strings) {
    const walk = clusterWalkOf(request, clusterKeyspace)
    return request.defer((reply) => scanCluster(walk, options, reply))
  }
  const list = new KeyList(options.glob)
  const next = options.strings ? walk(request.keyspace, list, options) : 0
  if (next === COLD_SCAN) return COLD_BLOCKS
  renderScan(request.reply, next, list)
  return DONE
}

/** Answers the cursor to go on from, 0 at the end, COLD_SCAN when nothing could be walked. */
function walk(keyspace: Keyspace, list: KeyList, options: ScanOptions): number {
  let cursor = options.cursor
  let left = Math.min(options.count, SCAN_KEYS_MAX)
  if (cursor >= CURSOR_END) return 0
  while (left > 0 && list.items.length < SCAN_REPLY_BYTES_MAX && list.globSteps < SCAN_GLOB_STEPS_MAX) {
    const next = list.step(keyspace, cursor, Math.min(left, SCAN_STEP_KEYS))
    if (next === COLD_SCAN) return cursor === options.cursor ? COLD_SCAN : cursor
    cursor = next
    left -= SCAN_STEP_KEYS
    if (cursor === 0) break
  }
  return cursor
}

function readScanOptions(request: Request): ScanOptions | string {
  const cursor = readCursor(textOf(request, 1))
  if (cursor === null) return BAD_CURSOR
  const options: ScanOptions = { cursor, count: COUNT_DEFAULT, glob: null, strings: true }
  for (let index = 2; index < request.argc; index += 2) {
    if (index + 1 === request.argc) return SYNTAX_ERROR
    if (isWord(request, index, 'COUNT')) {
      const count = integerOf(request, index + 1)
      if (count !== count) return NOT_AN_INTEGER
      if (count < 1) return SYNTAX_ERROR
      options.count = count
    } else if (isWord(request, index, 'MATCH')) options.glob = globOf(request, index + 1)
    else if (isWord(request, index, 'TYPE')) options.strings = isWord(request, index + 1, 'STRING')
    else return SYNTAX_ERROR
  }
  return options
}

/** As strtoul reads it: an empty text is 0, a negative one wraps around. Null when it is no cursor. */
function readCursor(text: string): number | null {
  if (!CURSOR_TEXT.test(text)) return null
  const digits = text.replace(/^[+-]/, '')
  if (digits === '') return text === '' ? 0 : null
  const value = BigInt(digits)
  if (value > UINT64_MAX) return null
  const cursor = text.startsWith('-') ? BigInt.asUintN(64, -value) : value
  return Math.min(CURSOR_END, Number(cursor))
}

/** Null for `*`, which also matches the empty key. */
function globOf(request: Request, index: number): Glob | null {
  const { bytes, offsets } = request
  const start = offsets[2 * index]
  const end = offsets[2 * index + 1]
  return end - start === 1 && bytes[start] === STAR ? null : new Glob(bytes, start, end)
}

/** KEYS pattern. The reply, held twice for a moment, may be as long as the longest value. */
export function keys(request: Request): Outcome {
  const { keyspace, node, reply } = request
  const list = new KeyList(globOf(request, 1))
  const { clusterKeyspace } = node
  if (clusterKeyspace !== null) {
    const walk = clusterWalkOf(request, clusterKeyspace)
    const sizeMax = node.settings.protoMaxBulkLenBytes
    return request.defer((reply) => keysOfCluster(walk, list, sizeMax, reply))
  }
  const next = list.step(keyspace, 0, KEYS_STEP_KEYS)
  if (next !== 0) {
    const sizeMax = node.settings.protoMaxBulkLenBytes
    return request.defer((reply) => walkAll(keyspace, node.clock, list, next, sizeMax, reply))
  }
  list.render(reply)
  return DONE
}

/** Goes on from `next`, what the last step answered. */
async function walkAll(
  keyspace: Keyspace,
  clock: Clock,
  list: KeyList,
  next: number,
  sizeMax: number,
  reply: ReplyWriter,
): Promise<void> {
  const held = new HeldBlocks(keyspace)
  let cursor = Math.max(0, next)
  do {
    if (next === COLD_SCAN) await held.load()
    else await endOfTurn(clock)
    next = list.step(keyspace, cursor, KEYS_STEP_KEYS)
    if (next !== COLD_SCAN) held.release()
    if (next > 0) cursor = next
  } while (next !== 0 && list.items.length <= sizeMax)
  held.release()
  if (list.items.length > sizeMax) reply.error(KEYS_REPLY_TOO_LARGE)
  else list.render(reply)
}

/** Steps that RANDOMKEY takes at once; only where almost everything is dead does it need more. */
const RANDOM_STEPS_AT_ONCE = 8

/** RANDOMKEY: nil only when there is no key. */
export function randomkey(request: Request): Outcome {
  const { keyspace } = request
  const { clock, random, clusterKeyspace } = request.node
  if (clusterKeyspace !== null) {
    const walk = clusterWalkOf(request, clusterKeyspace)
    const pick = random.below(RANDOM_KEYS)
    return request.defer((reply) => randomKeyOfCluster(walk, pick, reply))
  }
  const walk = new RandomWalk(random.next53(), random.below(RANDOM_KEYS))
  for (let steps = 0; steps < RANDOM_STEPS_AT_ONCE; steps++) {
    const outcome = walk.step(keyspace)
    if (outcome === WALKED) continue
    if (outcome === ARRIVED) {
      walk.render(request.reply)
      return DONE
    }
    break
  }
  // Goes on from where it is: run again from its start, it would draw another token and might never meet loaded blocks.
  return request.defer((reply) => finishWalk(walk, keyspace, clock, reply))
}

async function finishWalk(
  walk: RandomWalk,
  keyspace: Keyspace,
  clock: Clock,
  reply: ReplyWriter,
): Promise<void> {
  const held = new HeldBlocks(keyspace)
  for (;;) {
    await held.load()
    const outcome = walk.step(keyspace)
    if (outcome === MET_COLD) continue
    held.release()
    if (outcome === ARRIVED) return walk.render(reply)
    await endOfTurn(clock)
  }
}

const ARRIVED = 0
const WALKED = 1
const MET_COLD = 2
type WalkOutcome = typeof ARRIVED | typeof WALKED | typeof MET_COLD

/** Walks from a token to the key number `pick` behind it, going round at the end as often as it takes. */
class RandomWalk {
  #cursor: number
  #left: number
  #key: Buffer | null = null
  /** Keys seen since the start of the keyspace; below 0 before the first time there. */
  #seenInRound = -1

  constructor(token: number, pick: number) {
    this.#cursor = token
    this.#left = pick
  }

  step(keyspace: Keyspace): WalkOutcome {
    const left = this.#left
    const next = keyspace.scan(this.#cursor, left + 1, this.#visit)
    if (next === COLD_SCAN) {
      this.#left = left
      this.#key = null
      return MET_COLD
    }
    if (this.#key !== null) return ARRIVED
    if (this.#seenInRound >= 0) this.#seenInRound += left - this.#left
    if (next === 0 && this.#seenInRound === 0) return ARRIVED
    if (next === 0) this.#seenInRound = 0
    this.#cursor = next
    return WALKED
  }

  readonly #visit = (bytes: Buffer, start: number, end: number): void => {
    if (this.#left-- === 0) this.#key = Buffer.from(bytes.subarray(start, end))
  }

  render(reply: ReplyWriter): void {
    if (this.#key === null) reply.nil()
    else reply.bulk(this.#key, 0, this.#key.length)
  }
}

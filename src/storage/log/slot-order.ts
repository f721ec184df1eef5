/**
 * A memtable in token order, for SCAN, without sorting the memtable (RULES R4). Tokens start with the slot, so order
 * between slots is given and only the keys of one slot have to be sorted. Most slots hold a few dozen keys and are
 * sorted on the spot. A slot that a hash tag made large keeps sorted runs: what came since the last look is sorted as a new
 * run, and runs of similar size are merged, so each key is moved O(log n) times however often the slot is scanned.
 *
 * Index positions are stable for a segment's life (segment.ts), so runs hold positions and survive overwrites.
 */
import { KeyHash, TOKENS_PER_SLOT } from '../../ring/token.js'
import { keyLength, keyStart } from '../../record/layout.js'
import { compareBytes } from '../../util/bytes.js'
import type { Segment } from './segment.js'

interface Run {
  readonly tokens: Float64Array
  readonly positions: Int32Array
}

/** Slots with fewer keys are sorted anew at each look. */
const KEEP_FROM_KEYS = 256

export class SlotOrder {
  readonly #segment: Segment
  readonly #hash = new KeyHash()
  /** By slot: sorted runs, largest first, covering the oldest `covered` keys of the chain. */
  readonly #kept = new Map<number, { runs: Run[]; covered: number }>()

  constructor(segment: Segment) {
    this.#segment = segment
  }

  /** The next slot at or after `slot` that holds keys; SLOT_COUNT when there is none. */
  nextUsedSlot(slot: number): number {
    const lengths = this.#segment.memory.chainLengths
    while (slot < lengths.length && lengths[slot] === 0) slot++
    return slot
  }

  /**
   * Appends to `into` the offsets of the newest records of the slot's keys with token >= `from`, ordered by (token, key),
   * at least the first `count` of them (and all that share the last one's token).
   */
  collect(slot: number, from: number, count: number, into: OrderedRecord[]): void {
    const keys = this.#segment.memory.chainLengths[slot]
    const found: OrderedRecord[] = []
    if (keys < KEEP_FROM_KEYS) {
      const run = this.#sortedRun(slot, keys)
      take(run, from, count, this.#segment, found)
    } else {
      for (const run of this.#runsOf(slot, keys)) take(run, from, count, this.#segment, found)
    }
    found.sort(compareRecords)
    for (const record of found) into.push(record)
  }

  #runsOf(slot: number, keys: number): Run[] {
    let kept = this.#kept.get(slot)
    if (kept === undefined) {
      kept = { runs: [], covered: 0 }
      this.#kept.set(slot, kept)
    }
    if (kept.covered < keys) {
      kept.runs.push(this.#sortedRun(slot, keys - kept.covered))
      kept.covered = keys
      mergeSimilar(kept.runs)
    }
    return kept.runs
  }

  /** The newest `keys` keys of the slot's chain, sorted by token (not yet by key: take() sees to equal tokens). */
  #sortedRun(slot: number, keys: number): Run {
    const { chain, chainHeads, records } = this.#segment.memory
    const arena = this.#segment.arena
    const byToken = new Float64Array(keys)
    const positionOf = new Int32Array(keys)
    const order = new Uint32Array(keys)
    let position = chainHeads[slot]
    for (let i = 0; i < keys; i++) {
      const record = records[position]
      const start = keyStart(record)
      this.#hash.of(arena, start, start + keyLength(arena, record))
      byToken[i] = this.#hash.token - slot * TOKENS_PER_SLOT
      positionOf[i] = position
      order[i] = i
      position = chain[position]
    }
    order.sort((a, b) => byToken[a] - byToken[b])
    const base = slot * TOKENS_PER_SLOT
    return {
      tokens: Float64Array.from(order, (i) => byToken[i] + base),
      positions: Int32Array.from(order, (i) => positionOf[i]),
    }
  }
}

/** A key's newest record in one segment. */
export interface OrderedRecord {
  readonly token: number
  readonly arena: Buffer
  readonly record: number
}

/** Order by (token, key bytes). */
export function compareRecords(a: OrderedRecord, b: OrderedRecord): number {
  if (a.token !== b.token) return a.token - b.token
  const aKey = keyStart(a.record)
  const bKey = keyStart(b.record)
  return compareBytes(
    a.arena,
    aKey,
    aKey + keyLength(a.arena, a.record),
    b.arena,
    bKey,
    bKey + keyLength(b.arena, b.record),
  )
}

function take(run: Run, from: number, count: number, segment: Segment, into: OrderedRecord[]): void {
  const { tokens, positions } = run
  const records = segment.memory.records
  let i = lowerBound(tokens, from)
  const limit = i + count
  for (; i < tokens.length && (i < limit || tokens[i] === tokens[i - 1]); i++) {
    into.push({ token: tokens[i], arena: segment.arena, record: records[positions[i]] })
  }
}

function lowerBound(tokens: Float64Array, from: number): number {
  let low = 0
  let high = tokens.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (tokens[middle] < from) low = middle + 1
    else high = middle
  }
  return low
}

/** Keeps runs geometrically sized: the last two are merged while the older is not twice the younger. */
function mergeSimilar(runs: Run[]): void {
  while (runs.length > 1) {
    const younger = runs[runs.length - 1]
    const older = runs[runs.length - 2]
    if (older.tokens.length > 2 * younger.tokens.length) return
    runs.splice(-2, 2, mergeRuns(older, younger))
  }
}

function mergeRuns(a: Run, b: Run): Run {
  const size = a.tokens.length + b.tokens.length
  const tokens = new Float64Array(size)
  const positions = new Int32Array(size)
  let i = 0
  let j = 0
  for (let out = 0; out < size; out++) {
    const fromA = j === b.tokens.length || (i < a.tokens.length && a.tokens[i] <= b.tokens[j])
    tokens[out] = fromA ? a.tokens[i] : b.tokens[j]
    positions[out] = fromA ? a.positions[i++] : b.positions[j++]
  }
  return { tokens, positions }
}

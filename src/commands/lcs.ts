/**
 * LCS: the longest common subsequence of two values, by dynamic programming over a table of (a + 1) x (b + 1) 32-bit
 * lengths. As in Redis the table may take at most proto-max-bulk-len; LEN alone needs only two rows of it, but is held
 * to the same limit, because the time grows with the table and not with the memory.
 */
import { COLD, LIVE } from '../coordinator/keyspace.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { findKey, integerOf, isWord } from './args.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './error-texts.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'

const LEN_AND_IDX = 'ERR If you want both the length and indexes, please just use IDX.'
const TOO_LARGE = 'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len'

const CELL_BYTES = 4
const EMPTY = Buffer.alloc(0)

interface LcsOptions {
  length: boolean
  indexes: boolean
  withMatchLength: boolean
  minMatchLength: number
}

/** Two values; they stay in place, find() only moves the window on them. */
interface Pair {
  readonly a: Buffer
  readonly b: Buffer
}

/** A common run: a[aStart, aEnd] and b[bStart, bEnd], ends included. */
interface Match {
  aStart: number
  readonly aEnd: number
  bStart: number
  readonly bEnd: number
}

/** LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN] */
export function lcs(request: Request): Outcome {
  const a = valueOf(request, 1)
  const b = valueOf(request, 2)
  if (a === null || b === null) return COLD_BLOCKS
  return lcsOfValues(request, a, b)
}

/** The reply to the request's options for two values that are at hand, from wherever they come. */
export function lcsOfValues(request: Request, a: Buffer, b: Buffer): Outcome {
  const options = readOptions(request)
  if (typeof options === 'string') request.reply.error(options)
  else if (options.length && options.indexes) request.reply.error(LEN_AND_IDX)
  else if (tableBytes(a, b) > request.node.settings.protoMaxBulkLenBytes) request.reply.error(TOO_LARGE)
  else replyLcs(request.reply, { a, b }, options)
  return DONE
}

/** The value of the key in argument `index`, empty when absent, null when it has to be loaded. */
function valueOf(request: Request, index: number): Buffer | null {
  const lookup = findKey(request, index)
  if (lookup === COLD) return null
  const { found } = request.keyspace
  return lookup === LIVE ? found.bytes.subarray(found.start, found.end) : EMPTY
}

/** The options, or the error. */
function readOptions(request: Request): LcsOptions | string {
  const options = { length: false, indexes: false, withMatchLength: false, minMatchLength: 0 }
  for (let index = 3; index < request.argc; index++) {
    if (isWord(request, index, 'IDX')) options.indexes = true
    else if (isWord(request, index, 'LEN')) options.length = true
    else if (isWord(request, index, 'WITHMATCHLEN')) options.withMatchLength = true
    else if (isWord(request, index, 'MINMATCHLEN') && index + 1 < request.argc) {
      const length = integerOf(request, ++index)
      if (length !== length) return NOT_AN_INTEGER
      options.minMatchLength = length
    } else return SYNTAX_ERROR
  }
  return options
}

function tableBytes(a: Buffer, b: Buffer): number {
  return (a.length + 1) * (b.length + 1) * CELL_BYTES
}

function replyLcs(reply: ReplyWriter, pair: Pair, options: LcsOptions): void {
  if (options.length) return reply.integer(lcsLength(pair))
  const table = lcsTable(pair)
  const common = Buffer.allocUnsafe(table[table.length - 1])
  const matches = walkBack(pair, table, common)
  if (options.indexes) replyMatches(reply, matches, common.length, options)
  else reply.bulk(common, 0, common.length)
}

function replyMatches(
  reply: ReplyWriter,
  matches: readonly Match[],
  length: number,
  options: LcsOptions,
): void {
  const shown = matches.filter((match) => match.aEnd - match.aStart + 1 >= options.minMatchLength)
  reply.map(2)
  reply.bulkText('matches')
  reply.array(shown.length)
  for (const { aStart, aEnd, bStart, bEnd } of shown) {
    reply.array(options.withMatchLength ? 3 : 2)
    reply.array(2)
    reply.integer(aStart)
    reply.integer(aEnd)
    reply.array(2)
    reply.integer(bStart)
    reply.integer(bEnd)
    if (options.withMatchLength) reply.integer(aEnd - aStart + 1)
  }
  reply.bulkText('len')
  reply.integer(length)
}

/** Cell i * (b + 1) + j: the length of the LCS of a's first i and b's first j bytes. */
function lcsTable({ a, b }: Pair): Uint32Array {
  const width = b.length + 1
  const table = new Uint32Array((a.length + 1) * width)
  for (let i = 1; i <= a.length; i++) {
    const row = i * width
    fillRow(a[i - 1], b, table, row - width, row)
  }
  return table
}

function lcsLength({ a, b }: Pair): number {
  const width = b.length + 1
  const rows = new Uint32Array(2 * width)
  for (let i = 1; i <= a.length; i++) {
    const row = (i % 2) * width
    fillRow(a[i - 1], b, rows, width - row, row)
  }
  return rows[(a.length % 2) * width + b.length]
}

/** Fills the row at `row` for one more byte of a, from the row at `above`. The first cell of a row is always 0. */
function fillRow(byte: number, b: Buffer, cells: Uint32Array, above: number, row: number): void {
  let left = 0
  for (let j = 1; j <= b.length; j++) {
    if (b[j - 1] === byte) left = cells[above + j - 1] + 1
    else if (cells[above + j] > left) left = cells[above + j]
    cells[row + j] = left
  }
}

/** Walks from the ends to the starts, fills `common` from behind, answers the common runs, last first. */
function walkBack({ a, b }: Pair, table: Uint32Array, common: Buffer): Match[] {
  const width = b.length + 1
  const matches: Match[] = []
  let open: Match | null = null
  let i = a.length
  let j = b.length
  let at = common.length
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      common[--at] = a[--i]
      j--
      if (open === null) matches.push((open = { aStart: i, aEnd: i, bStart: j, bEnd: j }))
      else open.aStart = i
      open.bStart = j
    } else {
      open = null
      if (table[(i - 1) * width + j] > table[i * width + j - 1]) i--
      else j--
    }
  }
  return matches
}

/** How far a walk that lacks a block reads on: the blocks behind it come with few reads, and without another wait each. */
import { TOKEN_END } from '../../ring/token.js'
import type { Table } from './table.js'

const BLOCKS_MAX = 64
/** The same where values are large and so blocks are: the one that has to come may be larger. */
const BYTES_MAX = 1024 * 1024
const ENTRIES_PER_BLOCK = 16

/** The end of the blocks to read, `block` first, for a walk that goes for about `visits` keys, and not to the token `endToken`. */
export function readAheadEnd(table: Table, block: number, visits: number, endToken = TOKEN_END): number {
  const ahead = Math.min(BLOCKS_MAX, 1 + Math.ceil(visits / ENTRIES_PER_BLOCK))
  const last = Math.min(table.index.blockCount, block + ahead)
  const { firstTokens } = table.index
  let end = block + 1
  let bytes = table.index.storedLength(block)
  for (; end < last && bytes < BYTES_MAX && firstTokens[end] < endToken; end++)
    bytes += table.index.storedLength(end)
  return end
}

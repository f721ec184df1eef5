/** The longest common subsequence and how it is described. */
import t from 'tap'
import { HandlerRunner } from './handler-runner.js'
import { bothWays } from './scripts.js'

const SYNTAX = '-ERR syntax error'

await bothWays(t, 'LCS answers the sequence, its length or its places', (play) =>
  play([
    ['mset a ohmytext b mynewtext', '+OK'],
    ['lcs a b', '$6 mytext'],
    ['lcs a b LEN', ':6'],
    ['lcs a b IDX', '*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6'],
    ['lcs a b idx minmatchlen 4', '*4 $7 matches *1 *2 *2 :4 :7 *2 :5 :8 $3 len :6'],
    ['lcs a b IDX MINMATCHLEN 4 WITHMATCHLEN', '*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6'],
    ['lcs a b IDX MINMATCHLEN 9223372036854775807', '*4 $7 matches *0 $3 len :6'],
    ['lcs a b MINMATCHLEN -1', '$6 mytext'],
    ['lcs a a', '$8 ohmytext'],
  ]),
)

await bothWays(t, 'an absent key counts as an empty value', (play) =>
  play([
    ['lcs a b', '$0 '],
    ['lcs a b LEN', ':0'],
    ['set a x', '+OK'],
    ['lcs a b IDX', '*4 $7 matches *0 $3 len :0'],
  ]),
)

await bothWays(t, 'LCS refuses what contradicts itself', (play) =>
  play([
    ['lcs a b LEN IDX', '-ERR If you want both the length and indexes, please just use IDX.'],
    ['lcs a b MINMATCHLEN', SYNTAX],
    ['lcs a b MINMATCHLEN x', '-ERR value is not an integer or out of range'],
    ['lcs a b x', SYNTAX],
  ]),
)

await bothWays(
  t,
  'the table may not exceed proto-max-bulk-len',
  (play) =>
    play([
      ['mset a 123456789 b 123456789', '+OK'],
      ['lcs a b LEN', ':9'],
      ['append b 0', ':10'],
      ['lcs a b LEN', '-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len'],
      ['lcs a b', '-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len'],
    ]),
  { protoMaxBulkLenBytes: 400 },
)

t.test('the places are a map in RESP3', async (t) => {
  const runner = new HandlerRunner({ protocol: 3 })
  await runner.text('mset', 'a', 'x', 'b', 'x')
  const map = '%2 $7 matches *1 *2 *2 :0 :0 *2 :0 :0 $3 len :1'
  t.equal(await runner.text('lcs', 'a', 'b', 'IDX'), `${map.replaceAll(' ', '\r\n')}\r\n`)
})

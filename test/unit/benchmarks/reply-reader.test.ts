import t from 'tap'
import type { Test } from 'tap'
import { DUE_OK, DUE_REPLICAS, DUE_VALUE, ReplyReader } from '../../../benchmarks/load/reply-reader.js'
import type { DueReply } from '../../../benchmarks/load/reply-reader.js'

const VALUE = 'v'.repeat(10)
const VALUE_REPLY = `$10\r\n${VALUE}\r\n`

/** The replies that were taken, and what was garbled; the text comes in pieces of `pieceBytes`. */
function readAll(due: readonly DueReply[], text: string, pieceBytes: number) {
  const taken: (string | null)[] = []
  const reader = new ReplyReader(VALUE_REPLY.length, {
    dueReply: () => due[taken.length] ?? null,
    onReply: (error) => taken.push(error),
  })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = Buffer.from(bytes.subarray(at, at + pieceBytes))
    const garbled = reader.read(piece, piece.length)
    if (garbled !== null) return { taken, garbled }
  }
  return { taken, garbled: null }
}

function inAllPieces(
  t: Test,
  due: readonly DueReply[],
  text: string,
  taken: readonly (string | null)[],
): void {
  for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes++) {
    t.same(readAll(due, text, pieceBytes), { taken, garbled: null }, `${pieceBytes} bytes at a time`)
  }
}

t.test('good replies are taken however the bytes are cut', async (t) => {
  const text = `+OK\r\n:1\r\n${VALUE_REPLY}+OK\r\n:2\r\n`
  const due: DueReply[] = [DUE_OK, DUE_REPLICAS, DUE_VALUE, DUE_OK, DUE_REPLICAS]
  inAllPieces(t, due, text, [null, null, null, null, null])
})

t.test('an error line stands for any reply, and never for a good one', async (t) => {
  const text = '-NOREPLICAS two needed\r\n-ERR x\r\n-MOVED 1 h:2\r\n+OK\r\n'
  const errors = ['NOREPLICAS two needed', 'ERR x', 'MOVED 1 h:2']
  inAllPieces(t, [DUE_OK, DUE_VALUE, DUE_REPLICAS, DUE_OK], text, [...errors, null])
})

t.test('a missing key and a WAIT that nobody confirmed are errors', async (t) => {
  const text = `$-1\r\n:0\r\n${VALUE_REPLY}`
  const errors = ['a null: the key is missing', 'WAIT: no replica confirmed']
  inAllPieces(t, [DUE_VALUE, DUE_REPLICAS, DUE_VALUE], text, [...errors, null])
})

t.test('a long error is kept in part and passed over as a whole', async (t) => {
  const { taken } = readAll([DUE_OK, DUE_OK], `-${'e'.repeat(5000)}\r\n+OK\r\n`, 64)
  t.equal(taken[0]?.length, 200)
  t.same(taken.slice(1), [null])
})

t.test('replies of another kind, and replies that nobody asked for, are garbled', async (t) => {
  t.equal(readAll([DUE_OK], ':1\r\n', 100).garbled, ':1\r\n')
  t.equal(readAll([DUE_VALUE], '+OK\r\n', 100).garbled, '+OK\r\n')
  t.equal(readAll([DUE_REPLICAS], '$1\r\n', 100).garbled, '$1\r\n')
  t.same(readAll([DUE_OK], '+OK\r\n+OK\r\n', 100), { taken: [null], garbled: '+OK\r\n' })
})

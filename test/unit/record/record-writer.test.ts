import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { KIND_DELETION, KIND_VALUE, recordLength } from '../../../src/record/layout.js'
import { singleRecordBytes, writeSingleRecord } from '../../../src/record/record-writer.js'
import {
  decodeRecord,
  deletionSibling,
  encodeRecord,
  valueSibling,
  verifyRecord,
  type RecordValue,
} from '../../../src/record/record.js'
import { joinVectors, newestHlc } from '../../../src/record/version-vector.js'
import { anyRecord } from './arbitrary-record.js'
import { readGolden } from './golden.js'

const NOTHING = Buffer.alloc(0)

/** Writes a value over `predecessor` with everything in one memory, and returns the new record's bytes. */
function write(
  predecessor: RecordValue | null,
  key: Uint8Array,
  actor: number,
  hlc: number,
  value: Uint8Array | null,
  expireAtMs: number,
  shared: boolean,
): Buffer {
  const old = predecessor === null ? NOTHING : encodeRecord(predecessor)
  const payload = value ?? NOTHING
  const size = 4096 + old.length + key.length + payload.length
  const memory = shared ? Buffer.from(new SharedArrayBuffer(2 * size)) : Buffer.alloc(2 * size, 0xee)
  old.copy(memory, 3)
  memory.set(key, 3 + old.length)
  const valueStart = 3 + old.length + key.length
  memory.set(payload, valueStart)
  const base = predecessor === null ? null : memory
  const expected = singleRecordBytes(base, 3, actor, key.length, payload.length)
  const at = size + 5
  const kind = value === null ? KIND_DELETION : KIND_VALUE
  const length = writeSingleRecord(
    memory,
    at,
    memory,
    valueStart - key.length,
    valueStart,
    base,
    3,
    actor,
    hlc,
    kind,
    expireAtMs,
    memory,
    valueStart,
    valueStart + payload.length,
  )
  assert.equal(length, expected)
  return memory.subarray(at, at + length)
}

t.test('the hot path writes the very bytes that the cold path would, over any predecessor', async (t) => {
  holds(
    t,
    fc.property(
      fc.option(anyRecord),
      fc.uint8Array({ maxLength: 300 }),
      fc.option(fc.uint8Array({ maxLength: 1200 })),
      fc.maxSafeNat(),
      fc.nat(2 ** 31 - 1),
      fc.nat(),
      fc.boolean(),
      (predecessor, key, value, someActor, expiry, pick, shared) => {
        const context = (predecessor?.context ?? []).map((e) => ({ ...e, hlc: Math.floor(e.hlc / 2) }))
        const base = predecessor === null ? null : { key, context, siblings: [] }
        const actor = pick % 2 === 0 && context.length > 0 ? context[pick % context.length].actor : someActor
        const hlc = newestHlc(context) + 1
        const expireAtMs = value === null ? 0 : expiry
        const dot = { actor, hlc }
        const sibling = value === null ? deletionSibling(dot) : valueSibling(dot, value, expireAtMs)
        const expected = { key, context: joinVectors(context, [dot]), siblings: [sibling] }
        const bytes = write(base, key, actor, hlc, value, expireAtMs, shared)
        assert.equal(bytes.toString('hex'), encodeRecord(expected).toString('hex'))
        assert.equal(verifyRecord(bytes, 0, bytes.length), null)
      },
    ),
  )
})

t.test('the golden records of one sibling come out of the hot path', async (t) => {
  const single = readGolden('single')
  const { actor, hlc } = single.decoded.siblings[0]
  const first = write(null, Buffer.from('user:1'), actor, hlc, Buffer.from('hello'), 0, false)
  t.equal(first.toString('hex'), single.bytes.toString('hex'))

  const deletion = readGolden('deletion')
  const dot = deletion.decoded.siblings[0]
  const second = write(decodeRecord(first, 0), Buffer.from('user:1'), dot.actor, dot.hlc, null, 0, false)
  t.equal(second.toString('hex'), deletion.bytes.toString('hex'))
})

t.test('V1 a new write over one with the same value and actor has a dot of its own', async (t) => {
  const first = write(null, Buffer.from('k'), 7, 10, Buffer.from('v'), 0, false)
  const second = write(decodeRecord(first, 0), Buffer.from('k'), 7, 11, Buffer.from('v'), 99, false)
  t.match(decodeRecord(second, 0), {
    context: [{ actor: 7, hlc: 11 }],
    siblings: [{ actor: 7, hlc: 11, expireAtMs: 99 }],
  })
})

t.test('V4 a dot that does not exceed every entry of the predecessor is a bug and is refused', async (t) => {
  const context = [
    { actor: 3, hlc: 50 },
    { actor: 9, hlc: 60 },
  ]
  const base = { key: Buffer.from('k'), context, siblings: [] }
  for (const actor of [1, 3, 5, 9, 11]) {
    t.throws(() => write(base, Buffer.from('k'), actor, 60, Buffer.from('v'), 0, false), {
      name: 'AssertionError',
    })
    t.doesNotThrow(() => write(base, Buffer.from('k'), actor, 61, Buffer.from('v'), 0, false))
  }
})

t.test(
  'a deletion with a value or an expiry, an unknown kind or an expiry beyond 48 bits is refused',
  async (t) => {
    const into = Buffer.alloc(200)
    const attempt = (kind: number, expireAtMs: number, valueLength: number) => () =>
      writeSingleRecord(
        into,
        0,
        into,
        190,
        191,
        null,
        0,
        1,
        1,
        kind,
        expireAtMs,
        into,
        180,
        180 + valueLength,
      )
    t.throws(attempt(KIND_DELETION, 0, 1), { name: 'AssertionError' })
    t.throws(attempt(KIND_DELETION, 5, 0), { name: 'AssertionError' })
    t.throws(attempt(2, 0, 0), { name: 'AssertionError' })
    t.throws(attempt(KIND_VALUE, 2 ** 48, 0), { name: 'AssertionError' })
    t.equal(attempt(KIND_DELETION, 0, 0)(), recordLength(into, 0))
  },
)

import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { Digest } from '../../../src/record/digest.js'
import { deathTime } from '../../../src/record/death.js'
import { NO_CUTOFFS } from '../../../src/record/normalise.js'
import type { RecordValue } from '../../../src/record/record.js'
import {
  decodeRecord,
  deletionSibling,
  encodeHead,
  encodeRecord,
  encodedBytes,
  valueSibling,
  verifyRecord,
  winner,
} from '../../../src/record/record.js'
import { valuesStart } from '../../../src/record/layout.js'
import { anyRecord, plain } from './arbitrary-record.js'
import { GOLDEN_NAMES, readGolden, type DecodedText } from './golden.js'

function fromText(text: DecodedText): RecordValue {
  const siblings = text.siblings.map((s) =>
    s.kind === 1 ? deletionSibling(s) : valueSibling(s, Buffer.from(s.value), s.expireAtMs),
  )
  return { key: Buffer.from(text.key), context: text.context, siblings }
}

for (const name of GOLDEN_NAMES) {
  t.test(
    `the golden record "${name}" decodes to its description and is encoded to the same bytes`,
    async (t) => {
      const { bytes, decoded } = readGolden(name)
      t.equal(verifyRecord(bytes, 0, bytes.length), null)
      const expected = fromText(decoded)
      t.same(plain(decodeRecord(bytes, 0)), plain(expected))
      t.equal(encodeRecord(expected).toString('hex'), bytes.toString('hex'))
      t.equal(deathTime(bytes, 0), decoded.deathTimeMs)
      const digest = new Digest()
      t.equal(digest.of(bytes, 0, NO_CUTOFFS), true)
      t.same([digest.first, digest.second], decoded.digest)
    },
  )
}

t.test(
  'any record survives encoding and decoding, at any offset, in ordinary and in shared memory',
  async (t) => {
    holds(
      t,
      fc.property(anyRecord, fc.nat(20), fc.boolean(), (record, at, shared) => {
        const encoded = encodeRecord(record)
        const memory = shared
          ? Buffer.from(new SharedArrayBuffer(at + encoded.length + 9))
          : Buffer.alloc(at + encoded.length + 9, 0xff)
        encoded.copy(memory, at)
        assert.equal(verifyRecord(memory, at, memory.length - at), null)
        assert.equal(encodedBytes(record), encoded.length)
        assert.deepEqual(plain(decodeRecord(memory, at)), plain(record))
      }),
    )
  },
)

t.test('context and siblings are encoded in canonical order, whatever order they come in', async (t) => {
  holds(
    t,
    fc.property(anyRecord, (record) => {
      const shuffled = {
        ...record,
        context: record.context.toReversed(),
        siblings: record.siblings.toReversed(),
      }
      assert.equal(encodeRecord(shuffled).toString('hex'), encodeRecord(record).toString('hex'))
    }),
  )
})

t.test('the head is what the whole encoding starts with', async (t) => {
  holds(
    t,
    fc.property(anyRecord, (record) => {
      const encoded = encodeRecord(record)
      const head = encodeHead(record)
      assert.equal(head.length, valuesStart(encoded, 0))
      assert.ok(encoded.subarray(0, head.length).equals(head))
    }),
  )
})

t.test('the winner is the sibling of highest HLC, then of highest actor, dead or alive', async (t) => {
  const context = [
    { actor: 1, hlc: 9 },
    { actor: 2, hlc: 9 },
    { actor: 3, hlc: 8 },
  ]
  const siblings = [
    valueSibling({ actor: 1, hlc: 9 }, Buffer.from('a'), 0),
    deletionSibling({ actor: 2, hlc: 9 }),
    valueSibling({ actor: 3, hlc: 8 }, Buffer.from('b'), 0),
  ]
  const decoded = decodeRecord(encodeRecord({ key: Buffer.from('k'), context, siblings }), 0)
  t.match(winner(decoded), { actor: 2, hlc: 9, kind: 1 })
  t.same(
    decoded.siblings.map((sibling) => sibling.actor),
    [2, 1, 3],
  )
  t.equal(winner({ ...decoded, siblings: [] }), null)
})

t.test('encoding keeps a value checksum that no longer fits, so that rot stays visible', async (t) => {
  const { bytes } = readGolden('single')
  const record = decodeRecord(bytes, 0)
  bytes[bytes.length - 1] ^= 1
  const again = encodeRecord(record)
  t.equal(verifyRecord(again, 0, again.length), 'value-checksum')
})

t.test('a sibling that its own context does not cover is a bug and is not encoded', async (t) => {
  const sibling = valueSibling({ actor: 1, hlc: 5 }, Buffer.from('v'), 0)
  const record = { key: Buffer.from('k'), context: [{ actor: 1, hlc: 4 }], siblings: [sibling] }
  t.throws(() => encodeRecord(record), { name: 'AssertionError' })
})

t.test('an expiry beyond 48 bits is a bug and is not encoded', async (t) => {
  const sibling = valueSibling({ actor: 1, hlc: 5 }, Buffer.from('v'), 2 ** 48)
  const record = { key: Buffer.from('k'), context: [{ actor: 1, hlc: 5 }], siblings: [sibling] }
  t.throws(() => encodeRecord(record), { name: 'AssertionError' })
})

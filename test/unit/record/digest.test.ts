import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { Digest } from '../../../src/record/digest.js'
import { wallMsToHlc } from '../../../src/record/hlc.js'
import { valuesStart } from '../../../src/record/layout.js'
import { NO_CUTOFFS, normaliseRecord, type Cutoffs } from '../../../src/record/normalise.js'
import {
  decodeRecord,
  deletionSibling,
  encodeRecord,
  valueSibling,
  type RecordValue,
} from '../../../src/record/record.js'
import { writeEntryHeader } from '../../../src/storage/entry.js'
import { KEY, anyRecord } from './arbitrary-record.js'

const NOON_MS = Date.UTC(2026, 0, 1, 12)
const HLC = wallMsToHlc(NOON_MS)

/** The digest as text; 'absent' where the record counts as absent. */
function digestOf(bytes: Uint8Array, at: number, cutoffs: Cutoffs = NO_CUTOFFS): string {
  const digest = new Digest()
  const present = digest.of(bytes, at, cutoffs)
  return present ? `${digest.first}:${digest.second}` : 'absent'
}

const of = (record: RecordValue, cutoffs: Cutoffs = NO_CUTOFFS) => digestOf(encodeRecord(record), 0, cutoffs)

const BASE: RecordValue = {
  key: KEY,
  context: [
    { actor: 1, hlc: HLC },
    { actor: 2, hlc: HLC + 5 },
  ],
  siblings: [
    valueSibling({ actor: 2, hlc: HLC + 4 }, Buffer.from('two'), 0),
    valueSibling({ actor: 1, hlc: HLC }, Buffer.from('one'), NOON_MS + 50),
  ],
}

/** BASE with its first sibling replaced. */
function withFirst(change: Partial<RecordValue['siblings'][number]>): RecordValue {
  return { ...BASE, siblings: [{ ...BASE.siblings[0], ...change }, BASE.siblings[1]] }
}

t.test(
  'V9 key, whole context, and per sibling dot, kind, expiry and value checksum each change the digest',
  async (t) => {
    const context = (hlc1: number, hlc2: number) => [
      { actor: 1, hlc: hlc1 },
      { actor: 2, hlc: hlc2 },
    ]
    const variants: Record<string, RecordValue> = {
      base: BASE,
      key: { ...BASE, key: Buffer.from('kez') },
      'longer key': { ...BASE, key: Buffer.from('keyy') },
      'an entry that no sibling stands for': { ...BASE, context: context(HLC + 1, HLC + 5) },
      'a further entry': { ...BASE, context: [...BASE.context, { actor: 3, hlc: 1 }] },
      'one sibling less': { ...BASE, siblings: BASE.siblings.slice(0, 1) },
      'the dot by HLC': withFirst({ hlc: HLC + 3 }),
      'the dot by actor': { ...BASE, siblings: [{ ...BASE.siblings[0], actor: 1, hlc: HLC }] },
      expiry: withFirst({ expireAtMs: 1 }),
      'value checksum': withFirst(valueSibling({ actor: 2, hlc: HLC + 4 }, Buffer.from('twp'), 0)),
      kind: withFirst(deletionSibling({ actor: 2, hlc: HLC + 4 })),
      'an empty value': withFirst(valueSibling({ actor: 2, hlc: HLC + 4 }, Buffer.alloc(0), 0)),
    }
    const digests = Object.values(variants).map((record) => of(record))
    t.equal(new Set(digests).size, digests.length, digests.join(' '))
  },
)

t.test(
  'V9 equal records have equal digests wherever their bytes lie and whatever entry header they have',
  async (t) => {
    holds(
      t,
      fc.property(anyRecord, fc.nat(30), fc.nat(), fc.nat(255), (record, gap, sequence, flags) => {
        const bytes = encodeRecord(record)
        const stored = Buffer.concat([Buffer.alloc(8 + gap, 0x55), bytes, Buffer.alloc(3, 0x55)])
        writeEntryHeader(stored, 8 + gap, sequence, flags, 1)
        assert.equal(digestOf(stored, 8 + gap), digestOf(bytes, 0))
      }),
    )
  },
)

t.test('V9 no value byte is read: the checksums in the record stand for them', async (t) => {
  const bytes = encodeRecord(BASE)
  const cutoffs = { flushMark: HLC, purgeHorizonMs: NOON_MS + 900 }
  const before = [digestOf(bytes, 0), digestOf(bytes, 0, cutoffs)]
  t.not(before[0], before[1])
  bytes.fill(0, valuesStart(bytes, 0))
  t.same([digestOf(bytes, 0), digestOf(bytes, 0, cutoffs)], before)
})

t.test(
  'V9 the digest is that of the normalised record, so clean-up never looks like a difference',
  async (t) => {
    const stamps = fc.record({
      hlc: fc.nat(3000).map((ms) => HLC + ms * 4096),
      deleted: fc.boolean(),
      expireAtMs: fc.oneof(
        fc.constant(0),
        fc.nat(3000).map((ms) => NOON_MS + ms),
      ),
    })
    const timed = fc.array(stamps, { maxLength: 4 }).map((all): RecordValue => {
      const context = all.map(({ hlc }, actor) => ({ actor, hlc }))
      const siblings = all
        .map(({ hlc, deleted, expireAtMs }, actor) =>
          deleted
            ? deletionSibling({ actor, hlc })
            : valueSibling({ actor, hlc }, Buffer.from('v'), expireAtMs),
        )
        .filter((_, index) => index % 3 !== 2)
      return decodeRecord(encodeRecord({ key: KEY, context, siblings }), 0)
    })
    const flushMark = fc.oneof(
      fc.constant(0),
      fc.nat(3000).map((ms) => HLC + ms * 4096),
    )
    const horizon = fc.oneof(
      fc.constant(0),
      fc.nat(4000).map((ms) => NOON_MS + ms),
    )
    holds(
      t,
      fc.property(timed, flushMark, horizon, (record, mark, purgeHorizonMs) => {
        const cutoffs = { flushMark: mark, purgeHorizonMs }
        const normalised = normaliseRecord(record, cutoffs)
        assert.equal(of(record, cutoffs), normalised === null ? 'absent' : of(normalised))
      }),
      { numRuns: 3000 },
    )
  },
)

t.test(
  'V9 a flush mark that just takes the oldest sibling changes the digest as normalising does',
  async (t) => {
    const cutoffs = { flushMark: HLC, purgeHorizonMs: 0 }
    t.equal(of(BASE, cutoffs), of({ ...BASE, siblings: BASE.siblings.slice(0, 1) }))
    t.equal(of(BASE, { ...cutoffs, flushMark: HLC - 1 }), of(BASE))
  },
)

t.test('V9 a record that counts as absent has the digest zero', async (t) => {
  const digest = new Digest()
  digest.of(encodeRecord(BASE), 0, NO_CUTOFFS)
  t.equal(digest.of(encodeRecord(BASE), 0, { flushMark: HLC + 5, purgeHorizonMs: 0 }), false)
  t.same([digest.first, digest.second], [0, 0])
})

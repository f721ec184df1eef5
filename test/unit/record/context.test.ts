import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { aheadOfClock, formatContext, parseContext } from '../../../src/record/context.js'
import { wallMsToHlc } from '../../../src/record/hlc.js'
import { writeU32 } from '../../../src/util/bytes.js'
import { xxh32 } from '../../../src/util/xxhash.js'
import { anyRecord } from './arbitrary-record.js'
import { readGolden } from './golden.js'

const KEY = Buffer.from('user:1')
const GOLDEN_TOKEN = 'PxTO6gHtGw-ZEQAAAAAAAAEAwBJ7dQC8ColnRSMB_88dE3t1AA'
const NOW_MS = Date.UTC(2026, 0, 1)

/** A token with a checksum that fits, whatever the bytes say. */
function seal(token: string, change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(token, 'base64url')
  change(bytes)
  writeU32(bytes, 0, xxh32(bytes, 4, bytes.length, 0))
  return bytes.toString('base64url')
}

t.test('V3 a client brings back the whole context it was given, as text without spaces', async (t) => {
  holds(
    t,
    fc.property(anyRecord, ({ key, context }) => {
      const token = formatContext(key, context)
      assert.match(token, /^[A-Za-z0-9_-]+$/)
      assert.deepEqual(parseContext(key, token), { kind: 'context', context })
    }),
  )
})

t.test('the token of a known context is known to the byte', async (t) => {
  const { decoded } = readGolden('deletion')
  t.equal(formatContext(KEY, decoded.context), GOLDEN_TOKEN)
  t.same(parseContext(KEY, GOLDEN_TOKEN), { kind: 'context', context: decoded.context })
})

t.test(
  'V3 a context of another key is refused, because it covers writes that its bearer never saw',
  async (t) => {
    t.same(parseContext(Buffer.from('user:2'), GOLDEN_TOKEN), { kind: 'foreign' })
  },
)

t.test('a token with any character changed, removed or added is refused', async (t) => {
  const survivors: string[] = []
  const refused = (token: string) => {
    if (parseContext(KEY, token).kind !== 'malformed') survivors.push(token)
  }
  for (let i = 0; i < GOLDEN_TOKEN.length; i++) {
    for (const other of ['A', 'z', '-', ' ', '=', '\u00e9']) {
      if (GOLDEN_TOKEN[i] === other) continue
      refused(GOLDEN_TOKEN.slice(0, i) + other + GOLDEN_TOKEN.slice(i + 1))
    }
    refused(GOLDEN_TOKEN.slice(0, i))
    refused(GOLDEN_TOKEN.slice(0, i) + GOLDEN_TOKEN.slice(i + 1))
  }
  for (const tail of ['A', 'AA', 'AAAA', '=', ' ', '\n']) refused(GOLDEN_TOKEN + tail)
  t.same(survivors, [])
})

t.test('a forged token cannot carry what a record cannot hold', async (t) => {
  t.equal(
    parseContext(
      KEY,
      seal(GOLDEN_TOKEN, () => {}),
    ).kind,
    'context',
  )
  const changes: Record<string, (bytes: Buffer) => void> = {
    'an unknown format': (bytes) => (bytes[4] = 2),
    'an actor above 2^53': (bytes) => (bytes[29] = 0xff),
    'an HLC above 2^53': (bytes) => (bytes[22] = 0xff),
    'the same actor twice': (bytes) => bytes.copy(bytes, 23, 9, 16),
  }
  for (const [name, change] of Object.entries(changes)) {
    t.equal(parseContext(KEY, seal(GOLDEN_TOKEN, change)).kind, 'malformed', name)
  }
  t.equal(parseContext(KEY, 'A'.repeat(2_000_000)).kind, 'malformed', 'longer than any context')
})

t.test('V3 a context is refused when an entry is more than max-clock-drift ahead of the clock', async (t) => {
  const context = [
    { actor: 1, hlc: wallMsToHlc(NOW_MS + 500) + 4095 },
    { actor: 2, hlc: 7 },
  ]
  t.equal(aheadOfClock(context, NOW_MS, 500), false)
  t.equal(aheadOfClock(context, NOW_MS, 499), true)
  t.equal(aheadOfClock(context, NOW_MS - 1, 500), true)
  t.equal(aheadOfClock([], NOW_MS, 0), false)
})

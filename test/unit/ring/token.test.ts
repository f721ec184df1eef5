import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { SLOT_COUNT, slotOf } from '../../../src/ring/slot.js'
import { KeyHash, TOKENS_PER_SLOT, TOKEN_END, slotOfToken } from '../../../src/ring/token.js'
import { wasmXxh32 } from '../../../src/util/xxhash-wasm.js'
import { holds } from '../util/holds.js'

const key = fc.uint8Array({ maxLength: 40 })

function hashOf(bytes: Uint8Array): KeyHash {
  const hash = new KeyHash()
  hash.of(bytes, 0, bytes.length)
  return hash
}

t.test('the tokens are the integers below 2^53, 2^39 to a slot', async (t) => {
  t.equal(SLOT_COUNT * TOKENS_PER_SLOT, TOKEN_END)
  t.equal(TOKEN_END - 1, Number.MAX_SAFE_INTEGER)
  t.equal(slotOfToken(0), 0)
  t.equal(slotOfToken(TOKENS_PER_SLOT - 1), 0)
  t.equal(slotOfToken(TOKENS_PER_SLOT), 1)
  t.equal(slotOfToken(TOKEN_END - 1), SLOT_COUNT - 1)
})

t.test('a token is the slot, then the first hash, then the upper bits of the second', async (t) => {
  holds(
    t,
    fc.property(key, (bytes) => {
      const hash = hashOf(bytes)
      const first = BigInt(wasmXxh32(bytes, 0, bytes.length, 1) >>> 0)
      const second = BigInt(wasmXxh32(bytes, 0, bytes.length, 2) >>> 0)
      const slot = BigInt(slotOf(bytes, 0, bytes.length))
      assert.equal(BigInt(hash.token), (slot << 39n) | (first << 7n) | (second >> 25n))
      assert.equal(hash.first, Number(BigInt.asIntN(32, first)))
      assert.equal(hash.second, Number(BigInt.asIntN(32, second)))
      assert.ok(Number.isSafeInteger(hash.token))
    }),
    { numRuns: 1000 },
  )
})

t.test('tokens order by slot first, so that a range of slots is one range of tokens', async (t) => {
  holds(
    t,
    fc.property(key, key, (a, b) => {
      const [one, other] = [hashOf(a).token, hashOf(b).token]
      assert.equal(slotOfToken(one), slotOf(a, 0, a.length))
      if (slotOfToken(one) < slotOfToken(other)) assert.ok(one < other)
    }),
    { numRuns: 1000 },
  )
})

t.test('one hash object serves key after key, in place and in shared memory', async (t) => {
  const hash = new KeyHash()
  const shared = Buffer.from(new SharedArrayBuffer(64))
  holds(
    t,
    fc.property(key, fc.nat(20), (bytes, at) => {
      shared.set(bytes, at)
      hash.of(shared, at, at + bytes.length)
      assert.deepEqual({ ...hash }, { ...hashOf(bytes) })
    }),
  )
})

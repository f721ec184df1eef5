import t from 'tap'
import { PING_STATE_BYTES_MAX } from '../../../src/link/limits.js'
import {
  decodePingState,
  isStaleIn,
  NO_STALE_RANGES,
  PingStateEncoder,
  STALE_BYTES_MAX,
} from '../../../src/node/ping-state.js'

const MARK = 2 ** 53 - 1

t.test('the state of a ping is read back as it was written', (t) => {
  const encoder = new PingStateEncoder()
  const stale = new Uint8Array([0b1000_0001, 0b10])
  const state = decodePingState(encoder.encode(MARK, 70_000, stale).slice())
  t.same(state, { flushMark: MARK, handoffsForYou: 70_000, staleBits: stale })
  t.same(decodePingState(encoder.encode(5, 0, NO_STALE_RANGES)), {
    flushMark: 5,
    handoffsForYou: 0,
    staleBits: NO_STALE_RANGES,
  })
  t.end()
})

t.test('the layout is the one that is written down', (t) => {
  const bytes = new PingStateEncoder().encode(0x01020304050607, 0x0a0b0c0d, new Uint8Array([0xff]))
  t.equal(Buffer.from(bytes).toString('hex'), '07060504030201' + '00' + '0d0c0b0a' + '0100' + 'ff')
  t.end()
})

t.test('a number of handoffs that does not fit is the highest that does', (t) => {
  const bytes = new PingStateEncoder().encode(0, 2 ** 40, NO_STALE_RANGES)
  t.equal(decodePingState(bytes)?.handoffsForYou, 2 ** 32 - 1)
  t.end()
})

t.test('as many ranges as a ping takes', (t) => {
  const encoder = new PingStateEncoder()
  const stale = new Uint8Array(STALE_BYTES_MAX).fill(0xff)
  t.equal(encoder.encode(0, 0, stale).length, PING_STATE_BYTES_MAX)
  t.throws(() => encoder.encode(0, 0, new Uint8Array(STALE_BYTES_MAX + 1)))
  t.end()
})

t.test('bytes that are no state are not taken for one', (t) => {
  const good = new PingStateEncoder().encode(MARK, 1, new Uint8Array([1]))
  const broken = (at: number, value: number): Uint8Array => {
    const bytes = good.slice()
    bytes[at] = value
    return bytes
  }
  t.equal(decodePingState(new Uint8Array(0)), null)
  t.equal(decodePingState(good.subarray(0, good.length - 1)), null, 'cut')
  t.equal(decodePingState(new Uint8Array([...good, 0])), null, 'more than it says')
  t.equal(decodePingState(broken(7, 1)), null, 'the zero')
  t.equal(decodePingState(broken(6, 0x20)), null, 'a mark that is no safe integer')
  t.equal(decodePingState(broken(12, 9)), null, 'the length')
  t.end()
})

t.test('a range is stale where its bit is set, and nowhere else', (t) => {
  const stale = new Uint8Array([0b10, 0b1])
  const ranges = Array.from({ length: 24 }, (_, range) => range).filter((range) => isStaleIn(stale, range))
  t.same(ranges, [1, 8])
  t.notOk(isStaleIn(NO_STALE_RANGES, 0))
  t.end()
})

import t from 'tap'
import { KeyHash } from '../../../../src/ring/token.js'
import {
  FILTER_KEYS_MAX,
  PROBES,
  addToFilter,
  filterBytes,
  filterMayContain,
  filterScale,
} from '../../../../src/storage/table/bloom-filter.js'

function hashOf(text: string): KeyHash {
  const key = Buffer.from(text)
  const hash = new KeyHash()
  hash.of(key, 0, key.length)
  return hash
}

t.test('a filter of 100,000 keys knows all of them and lets at most 1.2 % of the others pass', (t) => {
  const keyCount = 100_000
  const filter = new Uint8Array(filterBytes(keyCount))
  const scale = filterScale(filter.length)
  for (let i = 0; i < keyCount; i++) {
    const { first, second } = hashOf(`user:${i}`)
    addToFilter(filter, scale, first, second)
  }
  let missed = 0
  let passed = 0
  for (let i = 0; i < keyCount; i++) {
    const present = hashOf(`user:${i}`)
    if (!filterMayContain(filter, scale, PROBES, present.first, present.second)) missed++
    const absent = hashOf(`user:${keyCount + i}`)
    if (filterMayContain(filter, scale, PROBES, absent.first, absent.second)) passed++
  }
  t.equal(missed, 0)
  t.ok(passed <= 0.012 * keyCount, `${passed} of ${keyCount} absent keys passed`)
  t.end()
})

t.test('a filter has ten bits per key, in whole words of eight bytes', (t) => {
  t.equal(filterBytes(1), 8)
  t.equal(filterBytes(7), 16)
  t.equal(filterBytes(100_000), 125_000)
  t.throws(() => filterBytes(0), /some keys/)
  t.throws(() => filterBytes(FILTER_KEYS_MAX + 1), /not too many/)
  t.end()
})

t.test('every bit position lies within the filter, whatever the hashes', (t) => {
  const bytes = 16
  const filter = new Uint8Array(bytes + 1)
  const extremes = [0, -1, 1, 2 ** 31 - 1, -(2 ** 31)]
  for (const first of extremes)
    for (const second of extremes) addToFilter(filter, filterScale(bytes), first, second)
  t.equal(filter[bytes], 0, 'the byte behind the filter stays untouched')
  t.end()
})

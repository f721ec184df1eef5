import t from 'tap'
import { writeSingleRecord } from '../../../../src/record/record-writer.js'
import { keyLength, keyStart } from '../../../../src/record/layout.js'
import { KeyHash } from '../../../../src/ring/token.js'
import { TokenOrder } from '../../../../src/storage/jobs/token-order.js'
import { Seeded } from '../../../support/seeded.js'
import { TWINS } from '../twin-keys.js'

function sortKeys(keys: readonly string[]): string[] {
  const bytes = Buffer.alloc(8 + keys.length * 100)
  const records = new Uint32Array(keys.length)
  let at = 8
  keys.forEach((text, i) => {
    const key = Buffer.from(text)
    records[i] = at
    at += writeSingleRecord(bytes, at, key, 0, key.length, null, 0, 1, i + 1, 0, 0, key, 0, 0)
  })
  const order = new TokenOrder(bytes, records)
  const hash = new KeyHash()
  return Array.from({ length: order.count }, (_, i) => {
    const start = keyStart(order.record(i))
    const end = start + keyLength(bytes, order.record(i))
    hash.of(bytes, start, end)
    const isHash =
      order.token(i) === hash.token && order.first(i) === hash.first && order.second(i) === hash.second
    if (!isHash) throw new Error(`the hashes at ${i} belong to another key`)
    return bytes.toString('latin1', start, end)
  })
}

function expectedOrder(keys: readonly string[]): string[] {
  const hash = new KeyHash()
  const tokenOf = (key: string): number => {
    hash.of(Buffer.from(key), 0, key.length)
    return hash.token
  }
  return keys.toSorted((a, b) => tokenOf(a) - tokenOf(b) || Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

t.test('no entries and one entry are in order', async (t) => {
  t.same(sortKeys([]), [])
  t.same(sortKeys(['a']), ['a'])
})

t.test('entries are sorted by token, whatever the slots are', async (t) => {
  const random = new Seeded(1)
  const spread = Array.from({ length: 2000 }, () => `key:${random.below(2 ** 31)}`)
  t.same(sortKeys([...new Set(spread)]), expectedOrder([...new Set(spread)]))
  const oneSlot = Array.from({ length: 2000 }, (_, i) => `{tag}${i}`)
  t.same(sortKeys(oneSlot), expectedOrder(oneSlot))
})

t.test('keys of equal token are sorted by their bytes', async (t) => {
  const keys = [...TWINS.flat(), 'other', '{t}b2ku']
  for (const [a, b] of TWINS) t.same(sortKeys([a, b]), [b, a].toSorted(), `${a} ${b}`)
  t.same(sortKeys(keys), expectedOrder(keys))
  t.same(sortKeys(keys.toReversed()), expectedOrder(keys))
})

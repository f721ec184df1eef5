import t from 'tap'
import { ONE, QUORUM } from '../../../src/coordinator/consistency.js'
import { DEFAULT_POLICY, KeyPolicies } from '../../../src/coordinator/key-policies.js'
import type { KeyPolicy, PrefixPolicy } from '../../../src/coordinator/key-policies.js'
import { Seeded } from '../../support/seeded.js'

function policy(prefix: string, of: Partial<KeyPolicy> = {}): PrefixPolicy {
  return { prefix, conflicts: 'lww', read: null, write: null, ...of }
}

function policyOf(policies: KeyPolicies, key: string): KeyPolicy {
  const bytes = Buffer.from(`<<${key}>>`)
  return policies.of(bytes, 2, bytes.length - 2)
}

t.test('without policies every key has the default', (t) => {
  const none = new KeyPolicies([])
  for (const key of ['', 'a', 'cart:1']) t.equal(policyOf(none, key), DEFAULT_POLICY, key)
  t.same(DEFAULT_POLICY, { conflicts: 'siblings', read: null, write: null })
  t.end()
})

t.test('the longest prefix wins, whatever the order they are given in', (t) => {
  const given = [
    policy('cart:', { conflicts: 'siblings' }),
    policy('c', { read: ONE }),
    policy('cart:vip:', { write: QUORUM }),
    policy('session:'),
  ]
  for (const policies of [given, [...given].reverse()].map((list) => new KeyPolicies(list))) {
    t.match(policyOf(policies, 'cart:7'), { conflicts: 'siblings', read: null, write: null })
    t.match(policyOf(policies, 'cart:vip:7'), { conflicts: 'lww', write: QUORUM })
    t.match(policyOf(policies, 'cart:vip'), { conflicts: 'siblings' })
    t.match(policyOf(policies, 'cart'), { read: ONE })
    t.match(policyOf(policies, 'session:'), { conflicts: 'lww', read: null })
    t.equal(policyOf(policies, 'session'), DEFAULT_POLICY)
    t.equal(policyOf(policies, ''), DEFAULT_POLICY)
    t.equal(policyOf(policies, 'xcart:7'), DEFAULT_POLICY)
  }
  t.end()
})

t.test('an empty prefix is the policy of all other keys', (t) => {
  const policies = new KeyPolicies([policy('', { read: ONE }), policy('a', { write: ONE })])
  t.match(policyOf(policies, ''), { read: ONE })
  t.match(policyOf(policies, 'b'), { read: ONE })
  t.match(policyOf(policies, 'ab'), { read: null, write: ONE })
  t.end()
})

t.test('prefixes are compared as UTF-8, byte for byte', (t) => {
  const policies = new KeyPolicies([policy('müll:')])
  t.match(policyOf(policies, 'müll:1'), { conflicts: 'lww' })
  t.equal(policyOf(policies, 'm\u00c3ll:1'), DEFAULT_POLICY)
  t.end()
})

t.test('equal keys get the same object, and a key ends where it ends', (t) => {
  const policies = new KeyPolicies([policy('ab')])
  t.equal(policyOf(policies, 'ab1'), policyOf(policies, 'ab2'))
  t.equal(policies.of(Buffer.from('abc'), 0, 1), DEFAULT_POLICY)
  t.end()
})

t.test('a thousand random prefixes are found as a search through all of them finds them', (t) => {
  const random = new Seeded(3)
  const word = (length: number) => Array.from({ length }, () => 'ab:'[random.below(3)]).join('')
  const prefixes = [...new Set(Array.from({ length: 1000 }, () => word(1 + random.below(9))))]
  const policies = new KeyPolicies(
    prefixes.map((prefix, i) => policy(prefix, { read: i % 2 === 0 ? ONE : QUORUM })),
  )
  for (let i = 0; i < 2000; i++) {
    const key = word(random.below(14))
    const fitting = prefixes.filter((prefix) => key.startsWith(prefix)).sort((a, b) => b.length - a.length)[0]
    const expected = fitting === undefined ? null : prefixes.indexOf(fitting) % 2 === 0 ? ONE : QUORUM
    if (policyOf(policies, key).read !== expected)
      t.fail(`${key} has the policy of another prefix than ${fitting}`)
  }
  t.end()
})

import t from 'tap'
import type { Identity } from '../../../src/repair/exchange-messages.js'
import { isEnough, isPurgedSince, judgeIdentity } from '../../../src/repair/staleness.js'

const HOUR_MS = 3_600_000

const OWN: Identity = { directoryId: 'd1', startCounter: 7, bootId: 70 }

t.test('P2 a node is told from a wiped or restored one by what a peer remembers of it', (t) => {
  const cases: readonly [string, Identity | null, 'wiped' | 'restored' | null][] = [
    ['nobody remembers it: a first start', null, null],
    ['its last start', { ...OWN, startCounter: 6, bootId: 60 }, null],
    ['a start long ago: the peer was away', { ...OWN, startCounter: 1, bootId: 10 }, null],
    ['this very start: the link was lost', OWN, null],
    ['another directory', { ...OWN, directoryId: 'd0' }, 'wiped'],
    ['another directory, started less often', { directoryId: 'd0', startCounter: 1, bootId: 1 }, 'wiped'],
    ['a later start: this is an older copy', { ...OWN, startCounter: 8, bootId: 80 }, 'restored'],
    ['another start of the same count: so is this', { ...OWN, bootId: 71 }, 'restored'],
  ]
  for (const [what, remembered, verdict] of cases) t.equal(judgeIdentity(OWN, remembered), verdict, what)
  t.end()
})

t.test(
  'P2 a range is stale where a peer has purged since the last complete exchange, and for no other reason',
  (t) => {
    const cases: readonly [string, number, number, boolean][] = [
      ['nothing was ever exchanged or purged', 0, 0, false],
      ['nothing was ever exchanged, but the peer has purged', 0, 5 * HOUR_MS, true],
      ['exchanged years ago, nothing purged since', HOUR_MS, HOUR_MS, false],
      ['exchanged after the purged hour', 5 * HOUR_MS + 1, 5 * HOUR_MS, false],
      ['exchanged within the purged hour: P is its end, not its start', 5 * HOUR_MS - 1, 5 * HOUR_MS, true],
      ['exchanged as it ended', 5 * HOUR_MS, 5 * HOUR_MS, false],
    ]
    for (const [what, exchangedMs, horizonMs, stale] of cases)
      t.equal(isPurgedSince(exchangedMs, horizonMs), stale, what)
    t.end()
  },
)

t.test('P2 what is missing here is asked of so many that one of them must have it', (t) => {
  const cases: readonly [string, readonly string[], readonly string[] | null, number, boolean][] = [
    ['nobody has given', [], null, 3, false],
    ['nothing is missing', ['a'], null, 3, true],
    ['one of three has acknowledged it, at the least', ['a'], [], 3, false],
    ['both others', ['a', 'b'], [], 3, true],
    ['who is known to have had it', ['a'], ['a'], 3, true],
    ['another one than that', ['b'], ['a'], 3, false],
    ['of two both take every write', ['a'], [], 2, true],
    ['of four three do', ['a'], [], 4, false],
    ['two others of four', ['a', 'b'], [], 4, true],
    ['two others of five', ['a', 'b'], [], 5, false],
    ['three others of five', ['a', 'b', 'c'], [], 5, true],
  ]
  for (const [what, given, coveredBy, replicas, expected] of cases)
    t.equal(isEnough(new Set(given), coveredBy, replicas), expected, what)
  t.end()
})

import t from 'tap'
import { NEVER_DIES } from '../../../src/record/layout.js'
import { deletionSibling, encodeRecord, valueSibling } from '../../../src/record/record.js'
import type { Sibling } from '../../../src/record/record.js'
import {
  FAMILY_LEVELED,
  FAMILY_SIZE_TIERED,
  FAMILY_WINDOW,
  familyOf,
  LEVELED_ONLY,
} from '../../../src/storage/families.js'
import type { FamilyPolicies } from '../../../src/storage/families.js'
import { WINDOW_TIERS_DEFAULT, windowOf, windowsMax } from '../../../src/storage/windows/window-tiers.js'
import { hlcAt } from './segment.js'

const NOW_MS = Date.UTC(2026, 0, 1, 12, 3)
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const VALUE = Buffer.from('v')

const policies: FamilyPolicies = {
  windowTiers: WINDOW_TIERS_DEFAULT,
  prefixes: [
    { prefix: Buffer.from('log:'), family: FAMILY_SIZE_TIERED },
    { prefix: Buffer.from('log:hot:'), family: FAMILY_LEVELED },
  ],
}

function family(key: string, siblings: readonly Sibling[], among = policies): number {
  const context = siblings.map(({ actor, hlc }) => ({ actor, hlc }))
  const bytes = encodeRecord({ key: Buffer.from(key), siblings, context })
  return familyOf(bytes, 0, NOW_MS, among).family
}

t.test(
  'what a value of it makes die goes to a window, all else by the longest prefix of its key',
  async (t) => {
    const stays = valueSibling({ actor: 1, hlc: hlcAt(NOW_MS) }, VALUE, 0)
    const expires = valueSibling({ actor: 2, hlc: hlcAt(NOW_MS) }, VALUE, NOW_MS + HOUR_MS)
    const deletion = deletionSibling({ actor: 3, hlc: hlcAt(NOW_MS) })
    t.equal(family('a', [stays]), FAMILY_LEVELED)
    t.equal(family('a', [deletion]), FAMILY_LEVELED)
    t.equal(family('log:1', [stays]), FAMILY_SIZE_TIERED)
    t.equal(family('log:1', [deletion]), FAMILY_SIZE_TIERED)
    t.equal(family('log:hot:1', [stays]), FAMILY_LEVELED)
    t.equal(family('lo', [stays]), FAMILY_LEVELED)
    t.equal(family('log:1', [expires]), FAMILY_WINDOW)
    t.equal(family('log:1', [expires, deletion]), FAMILY_WINDOW)
    t.equal(family('log:1', [stays, expires]), FAMILY_SIZE_TIERED, 'a sibling lives without end')
    t.equal(family('log:1', [expires], LEVELED_ONLY), FAMILY_LEVELED)
    t.equal(family('log:1', [expires], { ...policies, windowTiers: [] }), FAMILY_SIZE_TIERED)
  },
)

t.test('the nearer a death, the narrower its window, and every death lies within (start, end]', async (t) => {
  const width = (deathMs: number): number => {
    const { startMs, endMs } = windowOf(deathMs, NOW_MS, WINDOW_TIERS_DEFAULT)
    t.ok(startMs < deathMs && deathMs <= endMs, `${deathMs}`)
    t.equal(endMs % (endMs - startMs), 0, 'aligned')
    return endMs - startMs
  }
  t.equal(width(NOW_MS + 1), 5 * MINUTE_MS)
  t.equal(width(NOW_MS + HOUR_MS), 5 * MINUTE_MS)
  t.equal(width(NOW_MS + HOUR_MS + 1), HOUR_MS)
  t.equal(width(NOW_MS + DAY_MS + 1), DAY_MS)
  t.equal(width(NOW_MS + 32 * DAY_MS), DAY_MS)
  t.equal(width(NOW_MS + 33 * DAY_MS), 32 * DAY_MS)
  t.equal(width(NOW_MS + 2000 * DAY_MS), 1024 * DAY_MS)
  const last = windowOf(NEVER_DIES - 1, NOW_MS, WINDOW_TIERS_DEFAULT)
  t.ok(last.endMs < NEVER_DIES && last.endMs >= NEVER_DIES - 1)
})

t.test('a death on the stroke belongs to the window that ends with it', async (t) => {
  const strokeMs = Date.UTC(2026, 0, 1, 12, 10)
  t.equal(windowOf(strokeMs, NOW_MS, WINDOW_TIERS_DEFAULT).endMs, strokeMs)
  t.equal(windowOf(strokeMs + 1, NOW_MS, WINDOW_TIERS_DEFAULT).startMs, strokeMs)
})

t.test('what is dead already goes to the nearest window that has not ended', async (t) => {
  const nearest = windowOf(NOW_MS, NOW_MS, WINDOW_TIERS_DEFAULT)
  t.same(windowOf(NOW_MS - 100 * DAY_MS, NOW_MS, WINDOW_TIERS_DEFAULT), nearest)
  t.equal(nearest.endMs, Date.UTC(2026, 0, 1, 12, 5))
})

t.test('however far apart deaths lie, windows are few', async (t) => {
  const ends = new Set<string>()
  for (let away = 1; away < 2 ** 52; away = Math.ceil(away * 1.001) + 1000) {
    const { startMs, endMs } = windowOf(NOW_MS + away, NOW_MS, WINDOW_TIERS_DEFAULT)
    ends.add(`${startMs} ${endMs}`)
  }
  t.ok(ends.size <= windowsMax(WINDOW_TIERS_DEFAULT), `${ends.size} windows`)
})

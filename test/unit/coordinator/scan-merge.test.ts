import t from 'tap'
import { mergeScanPages } from '../../../src/coordinator/scan-merge.js'
import { ScanPage, ScanPageWriter } from '../../../src/coordinator/scan-page.js'
import { Seeded } from '../../support/seeded.js'

interface Version {
  readonly isLive: boolean
  readonly hlc: number
  readonly actor: number
}

const live = (hlc: number, actor = 1): Version => ({ isLive: true, hlc, actor })
const dead = (hlc: number, actor = 1): Version => ({ isLive: false, hlc, actor })

const END = 1000

/** Of a key, which is named after it: "12 a". */
function tokenOf(key: string): number {
  return Number(key.split(' ')[0])
}

/** A replica as a scan sees it. */
class Replica {
  readonly keys = new Map<string, Version>()
  flushMark = 0

  constructor(versions: Readonly<Record<string, Version>> = {}) {
    for (const [key, version] of Object.entries(versions)) this.keys.set(key, version)
  }

  /** The keys of so many tokens from `from` on, as they come from a peer. */
  page(from: number, tokens = Infinity): ScanPage {
    const names = [...this.keys.keys()].filter((key) => tokenOf(key) >= from)
    const known = [...new Set(names.map(tokenOf))].sort((a, b) => a - b)
    const next = known.length > tokens ? known[tokens] : END
    const writer = new ScanPageWriter()
    const inOrder = names.sort((a, b) => tokenOf(a) - tokenOf(b) || (a < b ? -1 : 1))
    for (const key of inOrder) {
      const version = this.keys.get(key)
      if (version === undefined || tokenOf(key) >= next) continue
      const bytes = Buffer.from(key)
      writer.add(tokenOf(key), bytes, 0, bytes.length, version.isLive, version.hlc, version.actor)
    }
    const page = ScanPage.decode(writer.finish(next, this.flushMark))
    if (page === null) throw new Error('it is a page')
    return page
  }
}

function merged(...pages: ScanPage[]): { keys: string[]; next: number } {
  const keys: string[] = []
  const next = mergeScanPages(pages, (bytes, start, end) => keys.push(bytes.toString('latin1', start, end)))
  return { keys, next }
}

t.test('R4 keys of several pages are shown once, in order', async (t) => {
  const a = new Replica({ '1 a': live(1), '3 b': live(1), '3 c': live(1), '9 a': live(1) })
  const b = new Replica({ '2 a': live(1), '3 a': live(1), '3 c': live(1), '9 b': live(1) })
  const keys = ['1 a', '2 a', '3 a', '3 b', '3 c', '9 a', '9 b']
  t.same(merged(a.page(0), b.page(0)), { keys, next: END })
  t.same(merged(b.page(0), a.page(0)), { keys, next: END })
  t.same(merged(a.page(0)), { keys: ['1 a', '3 b', '3 c', '9 a'], next: END })
  t.same(merged(new Replica().page(0), new Replica().page(0)), { keys: [], next: END })
})

t.test('R4 a step ends where the first of its pages does', async (t) => {
  const a = new Replica({ '1 a': live(1), '5 a': live(1), '9 a': live(1) })
  const b = new Replica({ '1 a': live(1), '2 a': live(1), '3 a': live(1), '5 a': live(1) })
  t.same(merged(a.page(0, 2), b.page(0, 2)), { keys: ['1 a', '2 a'], next: 3 })
  t.same(merged(a.page(0), b.page(0, 3)), { keys: ['1 a', '2 a', '3 a'], next: 5 })
})

t.test('R4 the newest winner decides, dead or alive', async (t) => {
  const cases: [string, Version, Version, boolean][] = [
    ['a later deletion', live(1), dead(2), false],
    ['a later value', live(2), dead(1), true],
    ['a deletion of the higher actor', live(2, 1), dead(2, 2), false],
    ['a value of the higher actor', live(2, 2), dead(2, 1), true],
    ['the same value, expired by one clock', live(2), dead(2), false],
    ['the same value', live(2), live(2), true],
  ]
  for (const [what, one, other, isShown] of cases) {
    const [a, b] = [new Replica({ '1 a': one, '2 a': live(1) }), new Replica({ '1 a': other })]
    const keys = isShown ? ['1 a', '2 a'] : ['2 a']
    t.same(merged(a.page(0), b.page(0)).keys, keys, what)
    t.same(merged(b.page(0), a.page(0)).keys, keys, `${what}, the other way round`)
  }
})

t.test('R4 P4 what FLUSHALL has taken from one replica is not shown by another', async (t) => {
  const a = new Replica({ '2 a': live(11) })
  a.flushMark = 10
  const b = new Replica({ '1 a': live(10), '2 a': live(9), '3 a': live(11) })
  t.same(merged(a.page(0), b.page(0)).keys, ['2 a', '3 a'])
  t.same(merged(b.page(0), a.page(0)).keys, ['2 a', '3 a'])
})

const KEYS = Array.from({ length: 24 }, (_, i) => `${Math.floor(i / 2) * 3} ${i % 2 === 0 ? 'a' : 'b'}`)

/** Three replicas under writes; what they must and must not show. */
class Cluster {
  readonly replicas = [new Replica(), new Replica(), new Replica()]
  /** Live on two replicas or more from the first step to the last. */
  readonly lasting = new Set<string>()
  /** Deleted on two replicas or more before the first step, and never written again. */
  readonly deleted = new Set<string>()
  readonly #random: Seeded
  #hlc = 0

  constructor(random: Seeded) {
    this.#random = random
    for (const key of KEYS) {
      for (let i = random.below(4); i > 0; i--) this.#write(key, random.chance(2), 1 + random.below(3))
      const kind = random.below(3)
      if (kind < 2) this.#write(key, kind === 0, 2 + random.below(2))
      if (kind === 0) this.lasting.add(key)
      if (kind === 1) this.deleted.add(key)
    }
  }

  /** A new version reaches so many replicas. */
  #write(key: string, isLive: boolean, copies: number): void {
    const version = { isLive, hlc: ++this.#hlc, actor: 1 + this.#random.below(3) }
    const first = this.#random.below(3)
    for (let i = 0; i < copies; i++) this.replicas[(first + i) % 3].keys.set(key, version)
  }

  /** What may happen between two steps. */
  disturb(): void {
    const random = this.#random
    for (let i = random.below(5); i > 0; i--) {
      const key = random.pick(KEYS)
      if (random.chance(3)) this.#repair(key)
      else if (this.lasting.has(key)) this.#write(key, true, 1 + random.below(3))
      else if (!this.deleted.has(key)) this.#write(key, random.chance(2), 1 + random.below(3))
    }
  }

  /** One replica learns what another one knows. */
  #repair(key: string): void {
    const [from, to] = [this.#random.pick(this.replicas).keys, this.#random.pick(this.replicas).keys]
    const [known, held] = [from.get(key), to.get(key)]
    if (known !== undefined && known.hlc > (held?.hlc ?? 0)) to.set(key, known)
  }

  /** One step, over two replicas. */
  step(from: number): { keys: string[]; next: number } {
    const random = this.#random
    const left = random.below(3)
    const asked = [left, (left + 1 + random.below(2)) % 3]
    return merged(...asked.map((replica) => this.replicas[replica].page(from, 1 + random.below(4))))
  }
}

/** A scan; what goes wrong first, or null. */
function scanProblem(seed: number): string | null {
  const random = new Seeded(seed)
  const cluster = new Cluster(random)
  const shown = new Set<string>()
  for (let cursor = 0; cursor !== END;) {
    const { keys, next } = cluster.step(cursor)
    if (next <= cursor) return `a step from ${cursor} goes on from ${next}`
    for (const key of keys) {
      if (shown.has(key)) return `${key} is shown twice`
      if (tokenOf(key) < cursor || tokenOf(key) >= next) return `${key} in [${cursor}, ${next})`
      if (cluster.deleted.has(key)) return `${key} was deleted`
      shown.add(key)
    }
    for (const key of cluster.lasting) {
      if (tokenOf(key) < next && !shown.has(key)) return `${key} is missing below ${next}`
    }
    cursor = next
    cluster.disturb()
  }
  return null
}

t.test(
  'R4 a scan over two of three shows every lasting key once, and none that a quorum deleted',
  async (t) => {
    for (let seed = 1; seed <= 2000; seed++) {
      const problem = scanProblem(seed)
      if (problem !== null) t.fail(`seed ${seed}: ${problem}`)
    }
    t.pass('2000 scans')
  },
)

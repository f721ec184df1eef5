import t from 'tap'
import { PAGE_BYTES_MAX, ScanPage, ScanPageWriter } from '../../../src/coordinator/scan-page.js'
import { TOKEN_END } from '../../../src/ring/token.js'
import { Seeded } from '../../support/seeded.js'

interface Entry {
  readonly token: number
  readonly key: string
  readonly isLive: boolean
  readonly hlc: number
  readonly actor: number
}

function entry(token: number, key: string, isLive = true): Entry {
  return { token, key, isLive, hlc: 2 ** 53 - 1 - token, actor: 2 ** 52 + token }
}

function written(entries: readonly Entry[], next: number, flushMark = 0): Buffer {
  const writer = new ScanPageWriter()
  for (const { token, key, isLive, hlc, actor } of entries) {
    const bytes = Buffer.from(`--${key}--`, 'latin1')
    writer.add(token, bytes, 2, bytes.length - 2, isLive, hlc, actor)
  }
  return writer.finish(next, flushMark)
}

function decoded(bytes: Buffer): ScanPage {
  const page = ScanPage.decode(bytes)
  if (page === null) throw new Error('it is a page')
  return page
}

function entriesOf(page: ScanPage): Entry[] {
  const entries: Entry[] = []
  while (page.advance()) {
    const { token, isLive, hlc, actor } = page
    entries.push({
      token,
      key: page.bytes.toString('latin1', page.keyStart, page.keyEnd),
      isLive,
      hlc,
      actor,
    })
  }
  return entries
}

t.test('a page has the bytes of its grammar', async (t) => {
  const bytes = written([{ token: 5, key: 'ab', isLive: true, hlc: 258, actor: 3 }], TOKEN_END, 7)
  const expected = [
    '0000000000002000 0700000000000000 01000000',
    '05000000000000 01 02010000000000 00 0300000000000000 02000000 6162',
  ]
  t.equal(bytes.toString('hex'), expected.join('').replace(/ /g, ''))
})

t.test('a page is read as it was written', async (t) => {
  const entries = [entry(0, ''), entry(7, 'a', false), entry(7, 'ab'), entry(TOKEN_END - 1, '\xff\x00')]
  const page = decoded(written(entries, TOKEN_END, 99))
  t.match(page, { next: TOKEN_END, flushMark: 99, entryCount: 4 })
  t.same(entriesOf(page), entries)
  t.same(entriesOf(decoded(written([], 12))), [])
})

t.test(
  'R4 a page that is full ends between two tokens and goes on from the first that is left out',
  async (t) => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Seeded(seed)
      const entries: Entry[] = []
      for (let token = 0, key = 0; key < 40; key++) {
        if (!random.chance(3)) token++
        entries.push(entry(token, `${String(key).padStart(3, '0')}${'x'.repeat(random.below(6000))}`))
      }
      const bytes = written(entries, 1000)
      const page = decoded(bytes)
      const { next } = page
      const shown = entriesOf(page)
      const expected = entries.filter(({ token }) => token < next)
      if (JSON.stringify(shown) !== JSON.stringify(expected))
        t.fail(`seed ${seed}: not what lies below ${next}`)
      if (bytes.length > PAGE_BYTES_MAX) t.fail(`seed ${seed}: ${bytes.length} bytes`)
      const following = entries.filter(({ token }) => token === next)
      const more = following.reduce((sum, { key }) => sum + 28 + key.length, bytes.length)
      if (next !== 1000 && more <= PAGE_BYTES_MAX) t.fail(`seed ${seed}: there was room for token ${next}`)
    }
    t.pass('200 pages')
  },
)

t.test('R4 a long key is a page of its own, with all that share its token', async (t) => {
  const long = 'x'.repeat(PAGE_BYTES_MAX)
  const alone = decoded(written([entry(1, long), entry(1, `${long}y`), entry(2, 'b')], 9))
  t.equal(alone.next, 2)
  t.equal(entriesOf(alone).length, 2)
  const behind = decoded(written([entry(1, 'a'), entry(2, 'b'), entry(2, long), entry(3, 'c')], 9))
  t.equal(behind.next, 2)
  t.same(entriesOf(behind), [entry(1, 'a')])
})

t.test('bytes that are no page are refused', async (t) => {
  const bytes = written([entry(3, 'a'), entry(3, 'b', false), entry(9, 'abc')], 10)
  for (let length = 0; length < bytes.length; length++)
    t.equal(ScanPage.decode(bytes.subarray(0, length)), null)
  t.equal(ScanPage.decode(Buffer.concat([bytes, Buffer.alloc(1)])), null)
  const wrong: [string, number, number][] = [
    ['an end before its last key', 0, 9],
    ['an end behind all tokens', 6, 0xff],
    ['fewer entries', 16, 2],
    ['more entries', 16, 4],
    ['a second token below the first', 20 + 29, 2],
    ['a key twice', 20 + 29 + 28, 0x61],
    ['neither live nor dead', 20 + 7, 2],
    ['a key longer than the page', 20 + 24, 255],
    ['a key longer than memory', 20 + 27, 255],
  ]
  t.not(ScanPage.decode(bytes), null)
  for (const [what, at, byte] of wrong) {
    const damaged = Buffer.from(bytes)
    damaged[at] = byte
    t.equal(ScanPage.decode(damaged), null, what)
  }
})

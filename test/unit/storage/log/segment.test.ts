import t from 'tap'
import { Segment, SegmentMemory } from '../../../../src/storage/log/segment.js'
import { Seeded } from '../../../support/seeded.js'
import { entryText, findIn, HEADER, SegmentWriter } from './log-file.js'

function writerOf(capacityBytes: number): SegmentWriter {
  return new SegmentWriter(new Segment(HEADER, '/000012.log', new SegmentMemory(capacityBytes)))
}

t.test('the newest entry of a key is found, among any number of others', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Seeded(seed)
    const writer = writerOf(64 * 1024)
    const newest = new Map<string, string>()
    const { segment } = writer
    for (;;) {
      const key = `key ${random.below(200)}`
      const value = random.chance(10) ? null : `value ${random.below(1000)}`
      const record = writer.put(key, { value })
      if (record === 0) break
      newest.set(key, entryText(segment.arena, record))
    }
    for (const [key, text] of newest) if (findIn(segment, key) !== text) t.fail(`seed ${seed}: ${key}`)
    t.equal(segment.keyCount, newest.size)
    t.equal(findIn(segment, 'key 200'), null)
    t.equal(findIn(segment, ''), null)
  }
})

t.test('memory that is used again knows nothing of the segment before', async (t) => {
  const memory = new SegmentMemory(16 * 1024)
  const first = new SegmentWriter(new Segment(HEADER, '/000012.log', memory))
  while (first.put(`old ${first.segment.keyCount}`, { value: 'stale' }) !== 0);
  memory.clear()
  const second = new Segment({ ...HEADER, id: 1, fileNumber: 13 }, '/000013.log', memory)
  t.equal(findIn(second, 'old 0'), null)
  t.equal(second.keyCount, 0)
  t.ok(memory.chainLengths.every((length) => length === 0))
  const writer = new SegmentWriter(second)
  writer.put('old 0', { value: 'fresh' })
  t.equal(findIn(second, 'old 0'), '1000 old 0=fresh')
})

t.test('a segment takes entries until its arena is full, and then still its seal', async (t) => {
  for (const valueBytes of [0, 1, 100, 3000]) {
    const writer = writerOf(4096)
    while (writer.put('key', { value: 'x'.repeat(valueBytes) }) !== 0);
    writer.segment.seal()
    t.ok(writer.segment.tail <= 4096)
    t.ok(writer.segment.tail > 4096 - valueBytes - 250, `${writer.segment.tail} bytes of 4096 are used`)
  }
})

t.test('a segment is full when its index is', async (t) => {
  const memory = new SegmentMemory(1024 * 1024)
  const writer = new SegmentWriter(new Segment(HEADER, '/000012.log', memory))
  let keys = 0
  while (writer.put(`${keys}`, { value: '' }) !== 0) keys++
  t.equal(keys, 0.75 * memory.records.length, 'the smallest entries fill the index first')
  t.ok(writer.segment.tail > 0.45 * 1024 * 1024, 'when nearly half of the arena is used')
})

t.test('entries of a 16-byte key and a 100-byte value fill the arena first', async (t) => {
  const writer = new SegmentWriter(new Segment(HEADER, '/000012.log', new SegmentMemory(1024 * 1024)))
  let keys = 0
  while (writer.put(`key:${String(keys).padStart(12, '0')}`, { value: 'x'.repeat(100) }) !== 0) keys++
  t.ok(writer.segment.tail > 0.99 * 1024 * 1024)
})

t.test('the smallest arena for a record takes it', async (t) => {
  for (const valueBytes of [0, 1, 5000]) {
    const recordBytes = 16 + 3 + 16 + 24 + valueBytes
    const writer = writerOf(Segment.capacityFor(recordBytes))
    t.ok(writer.segment.fits(recordBytes))
    t.not(writer.put('key', { value: 'x'.repeat(valueBytes) }), 0)
    writer.segment.seal()
    t.ok(writer.segment.tail <= writer.segment.arena.length)
  }
})

t.test('keys of one slot are chained, newest first, each once', async (t) => {
  const { segment } = writerOf(16 * 1024)
  const writer = new SegmentWriter(segment)
  const keys = ['{t}a', '{t}b', 'elsewhere', '{t}c', '{t}b', '{t}a']
  for (const key of keys) writer.put(key, { value: '' })
  const { chain, chainHeads, chainLengths, records } = segment.memory
  const slot = chainLengths.indexOf(3)
  t.not(slot, -1)
  const chained: string[] = []
  for (let i = chainHeads[slot]; i !== -1; i = chain[i]) chained.push(entryText(segment.arena, records[i]))
  t.same(chained, ['1003 {t}c=', '1004 {t}b=', '1005 {t}a='])
})

t.test('a sealed segment takes nothing more', async (t) => {
  const writer = writerOf(4096)
  writer.segment.seal()
  t.throws(() => writer.put('key', { value: '' }), /sealed/)
  t.throws(() => writer.segment.seal(), /sealed once/)
})

t.test(
  'a segment that may not fill up is full at its share, but a large entry may have all of it',
  async (t) => {
    const make = (): SegmentWriter =>
      new SegmentWriter(new Segment(HEADER, '/000012.log', new SegmentMemory(64 * 1024), 0.75))
    const full = make()
    while (full.put('key', { value: 'x'.repeat(1000) }) !== 0);
    const { tail, fullAt } = full.segment
    t.equal(fullAt, 48 * 1024)
    t.ok(tail >= fullAt && tail < fullAt + 1200, `${tail}`)
    const keys = make()
    while (keys.put(`${keys.segment.keyCount}`, { value: '' }) !== 0);
    t.ok(keys.segment.keyCount <= 0.75 * 0.75 * keys.segment.memory.records.length)
    const large = make()
    t.not(large.put('key', { value: 'x'.repeat(60_000) }), 0)
    t.equal(large.segment.fits(1), false)
  },
)

t.test('what was promised room stays together, though its first entries make the segment full', async (t) => {
  const writer = new SegmentWriter(new Segment(HEADER, '/000012.log', new SegmentMemory(64 * 1024), 0.75))
  const { segment } = writer
  while (segment.tail < segment.fullAt - 1000) writer.put('before', { value: 'x'.repeat(100) })
  const entries = 30
  t.ok(segment.reserve(entries, entries * 300))
  for (let i = 0; i < entries; i++) t.not(writer.put(`${i}`, { value: 'x'.repeat(200) }), 0)
  t.ok(segment.tail > segment.fullAt + 3000)
  while (writer.put('behind', { value: '' }) !== 0);
  t.ok(segment.tail < segment.fullAt + entries * 340, 'and then it is full')
  t.equal(segment.reserve(1, 100), false)
})

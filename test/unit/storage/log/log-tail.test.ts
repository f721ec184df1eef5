import t from 'tap'
import { LogTail } from '../../../../src/storage/log/log-tail.js'
import { Segment, SegmentMemory } from '../../../../src/storage/log/segment.js'
import { Seeded } from '../../../support/seeded.js'
import { entryText, HEADER, SegmentWriter } from './log-file.js'

const FIRST = HEADER.firstSequence

/** A log of small segments that is written entry by entry. */
class Log {
  segments: Segment[] = []
  /** Entry texts by sequence; flush marks among them. */
  readonly written: string[] = []
  #writer!: SegmentWriter

  constructor() {
    this.#begin()
  }

  get last(): number {
    return FIRST + this.written.length - 1
  }

  put(key: string, value: string): void {
    if (this.#writer.put(key, { value }) === 0) {
      this.#writer.segment.seal()
      this.#begin()
      this.#writer.put(key, { value })
    }
    this.written.push(`${this.last + 1} ${key}=${value}`)
  }

  flushMark(): void {
    if (!this.#writer.segment.fits(100)) return
    this.#writer.flushMark()
    this.written.push('')
  }

  commit(): void {
    this.#writer.segment.closeBatch()
  }

  /** The oldest segment leaves memory. */
  forget(): void {
    if (this.segments.length > 1) this.segments.shift()
  }

  #begin(): void {
    const header = { ...HEADER, firstSequence: this.last + 1 }
    const segment = new Segment(header, '/log', new SegmentMemory(2048))
    this.segments.push(segment)
    this.#writer = new SegmentWriter(segment)
  }
}

function readAll(tail: LogTail, last: number, entriesMax = Infinity): { texts: string[]; lost: number } {
  const texts: string[] = []
  const lost = tail.read(last, entriesMax, (bytes, record, sequence) => {
    const text = entryText(bytes, record)
    if (!text.startsWith(`${sequence} `)) texts.push('another sequence')
    texts.push(text)
  })
  return { texts, lost }
}

t.test(
  'a reader that follows the log sees every record once, in order, however far it reads at a time',
  async (t) => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new Seeded(seed)
      const log = new Log()
      const tail = new LogTail(() => log.segments)
      tail.seek(FIRST)
      const seen: string[] = []
      for (let step = 0; step < 200; step++) {
        for (let i = random.below(4); i > 0; i--)
          log.put(`key ${random.below(30)}`, `value ${random.below(100)}`)
        if (random.chance(10)) log.flushMark()
        if (random.chance(2)) log.commit()
        const last = log.last - random.below(4)
        const { texts, lost } = readAll(tail, last, 1 + random.below(8))
        if (lost > 0) t.fail(`seed ${seed}: ${lost} were lost`)
        if (texts.some((text) => Number(text.split(' ')[0]) > last)) t.fail(`seed ${seed}: beyond the last`)
        seen.push(...texts)
      }
      seen.push(...readAll(tail, log.last).texts)
      t.same(
        seen,
        log.written.filter((text) => text !== ''),
      )
      t.ok(log.segments.length > 3, 'several segments')
      t.equal(tail.next, log.last + 1)
    }
  },
)

t.test('a reader may begin anywhere, and go back', async (t) => {
  const log = new Log()
  for (let i = 0; i < 100; i++) {
    log.put(`key ${i}`, 'x')
    if (i % 7 === 0) log.commit()
  }
  const tail = new LogTail(() => log.segments)
  for (const from of [FIRST + 50, FIRST, FIRST + 99, FIRST + 20, FIRST + 21]) {
    tail.seek(from)
    t.same(readAll(tail, from + 4).texts, log.written.slice(from - FIRST, from - FIRST + 5))
  }
  tail.seek(log.last + 1)
  t.same(readAll(tail, log.last + 10).texts, [])
  log.put('new', 'y')
  t.same(readAll(tail, log.last).texts, [`${log.last} new=y`])
})

t.test('a reader that is too slow is told how much has left memory, and goes on behind it', async (t) => {
  const log = new Log()
  const tail = new LogTail(() => log.segments)
  tail.seek(FIRST)
  log.put('first', 'x')
  t.equal(readAll(tail, log.last).texts.length, 1)
  while (log.segments.length < 4) log.put('filling', 'x')
  log.forget()
  log.forget()
  const [oldest] = log.segments
  const gone = oldest.minSequence - FIRST - 1
  t.ok(gone > 0)
  const { texts, lost } = readAll(tail, log.last)
  t.equal(lost, gone)
  t.same(texts, log.written.slice(gone + 1))
  tail.seek(FIRST)
  t.equal(readAll(tail, FIRST + 1).lost, 2, 'of what was asked for')
  t.equal(tail.next, FIRST + 2)
})

import t from 'tap'
import { SimEnv } from '../../../../src/sim/sim-env.js'
import type { EventQueue } from '../../../../src/sim/event-queue.js'
import { SimRandom } from '../../../../src/sim/sim-random.js'
import { LogWriter } from '../../../../src/storage/log/log-writer.js'
import type { AppendFsync } from '../../../../src/storage/log/log-writer.js'
import { LOG_PAGE_BYTES } from '../../../../src/storage/log/segment-format.js'
import { Segment, SegmentMemory } from '../../../../src/storage/log/segment.js'
import { HeldDisk } from './held-disk.js'
import { HEADER, SegmentWriter } from './log-file.js'

const SEGMENT_BYTES = 16 * 1024
const LARGE_SEGMENT_BYTES = 32 * 1024 * 1024
const MEGABYTE = 1024 * 1024
const POLICIES: readonly AppendFsync[] = ['always', 'everysec', 'no']

/** A log writer with segments to write, and everything that it has said. */
class Bench {
  readonly disk = new HeldDisk()
  readonly queue: EventQueue
  readonly writer: LogWriter
  readonly sealed: number[] = []
  readonly failures: string[] = []
  durableCalls = 0
  onDurable: () => void = () => {}
  active!: SegmentWriter
  sequence = HEADER.firstSequence - 1
  /** Where each entry ends: log and offset, by sequence. */
  readonly ends = new Map<number, { log: number; end: number }>()
  #fileNumber = HEADER.fileNumber - 1

  constructor(policy: AppendFsync, segmentBytes = SEGMENT_BYTES) {
    const { clock, queue } = SimEnv.fromSeed('log writer')
    this.queue = queue
    this.writer = new LogWriter(this.disk, clock, policy, {
      onDurable: () => {
        this.durableCalls++
        this.onDurable()
      },
      onSynced: () => {},
      onSealed: (segment) => this.sealed.push(segment.header.fileNumber),
      onFailed: (error) => this.failures.push(error.message),
    })
    this.addSegment(segmentBytes)
  }

  addSegment(segmentBytes = SEGMENT_BYTES): void {
    const fileNumber = ++this.#fileNumber
    const header = { ...HEADER, id: HEADER.id + fileNumber, fileNumber, firstSequence: this.sequence + 1 }
    const segment = new Segment(header, `/${fileNumber}.log`, new SegmentMemory(segmentBytes))
    this.active = new SegmentWriter(segment)
    this.writer.add(segment, this.disk.openLog(fileNumber))
  }

  /** Appends entries and has them committed at the end of the turn; answers the last one's sequence. */
  append(entries = 1, valueBytes = 20): number {
    for (let i = 0; i < entries; i++) {
      this.active.put(`key ${this.sequence % 7}`, { value: '.'.repeat(valueBytes) })
      const { segment } = this.active
      this.ends.set(++this.sequence, { log: segment.header.fileNumber, end: segment.tail })
    }
    this.writer.scheduleCommit()
    return this.sequence
  }

  /** The active segment is full: a successor takes over. */
  rotate(): void {
    this.active.segment.seal()
    this.addSegment()
    this.writer.scheduleCommit()
  }

  /** Ends the turn; no time passes. */
  endTurn(): void {
    this.queue.advanceSync(0)
  }

  /** Whether the disk has the entry as `what` says. */
  has(sequence: number, what: 'written' | 'synced'): boolean {
    const place = this.ends.get(sequence)
    return place !== undefined && (this.disk[what].get(place.log) ?? 0) >= place.end
  }
}

t.test('always: an entry is durable once the sync that covers it has ended', async (t) => {
  const bench = new Bench('always')
  const first = bench.append(3)
  t.same(bench.disk.asked, [], 'nothing before the end of the turn')
  bench.endTurn()
  t.same(bench.disk.held, ['sync 12'])
  t.equal(bench.writer.durableSequence, 0)
  bench.disk.release()
  t.equal(bench.writer.durableSequence, first)
  t.equal(bench.durableCalls, 1)
})

t.test('a file that was a log before is written in whole pages, with zeros behind the end', async (t) => {
  const disk = SimEnv.fromSeed('whole pages').disk
  const file = disk.open('/12.log', 'create')
  const bytes = 5 * LOG_PAGE_BYTES
  disk.writeSync(file, Buffer.alloc(bytes, 'x'), 0, bytes, 0)
  const { clock, queue } = SimEnv.fromSeed('whole pages')
  const ignore = (): void => {}
  const events = { onDurable: ignore, onSynced: ignore, onSealed: ignore, onFailed: ignore }
  const writer = new LogWriter(disk, clock, 'everysec', events)
  const memory = new SegmentMemory(bytes)
  memory.arena.fill('y')
  const segment = new Segment({ ...HEADER, isReused: true }, '/12.log', memory)
  writer.add(segment, file)
  const active = new SegmentWriter(segment)
  for (let i = 0; i < 60; i++) {
    active.put(`key ${i}`, { value: '.'.repeat(100) })
    writer.scheduleCommit()
    queue.advanceSync(0)
    const pageEnd = Math.ceil(segment.tail / LOG_PAGE_BYTES) * LOG_PAGE_BYTES
    const found = Buffer.alloc(bytes)
    disk.readSync(file, found, 0, bytes, 0)
    const wanted = Buffer.alloc(bytes, 'x')
    segment.arena.copy(wanted, 0, 0, segment.tail)
    wanted.fill(0, segment.tail, pageEnd)
    if (!found.equals(wanted)) t.fail(`after ${i + 1} writes`)
  }
  t.ok(segment.tail > 2 * LOG_PAGE_BYTES)
})

t.test('always: what arrives during a sync shares the next one', async (t) => {
  const bench = new Bench('always')
  const first = bench.append()
  bench.endTurn()
  for (let turn = 0; turn < 5; turn++) {
    bench.append()
    bench.endTurn()
  }
  t.equal(bench.disk.asked.filter((text) => text.startsWith('write')).length, 1)
  bench.disk.release()
  t.equal(bench.writer.durableSequence, first)
  t.equal(bench.disk.asked.filter((text) => text.startsWith('write')).length, 2, 'one write for all five')
  t.same(bench.disk.held, ['sync 12'])
  bench.disk.release()
  t.equal(bench.writer.durableSequence, first + 5)
})

t.test('everysec: an entry is durable once written; a sync follows within the second', async (t) => {
  const bench = new Bench('everysec')
  const first = bench.append()
  bench.endTurn()
  t.equal(bench.writer.durableSequence, first)
  t.equal(bench.writer.syncedSequence, 0)
  t.same(bench.disk.held, [])
  bench.queue.advanceSync(1000)
  t.same(bench.disk.held, ['sync 12'])
  const second = bench.append()
  bench.endTurn()
  t.equal(bench.writer.durableSequence, second, 'it goes on beside the sync')
  bench.disk.release()
  t.equal(bench.writer.syncedSequence, first, 'which covers what was written before it')
  bench.queue.advanceSync(1000)
  bench.disk.release()
  t.equal(bench.writer.syncedSequence, second)
  bench.queue.advanceSync(5000)
  t.same(bench.disk.held, [], 'nothing new, nothing to sync')
})

t.test('everysec: much unsynced data is synced before the second is over', async (t) => {
  const bench = new Bench('everysec', LARGE_SEGMENT_BYTES)
  for (let i = 0; i < 17; i++) {
    bench.append(1, MEGABYTE / 2)
    bench.endTurn()
  }
  t.same(bench.disk.held, ['sync 12'])
  t.equal(bench.queue.nowMs, 0)
})

t.test('no: an entry is durable once written, and only a change of segments syncs', async (t) => {
  const bench = new Bench('no')
  const first = bench.append()
  bench.endTurn()
  t.equal(bench.writer.durableSequence, first)
  bench.queue.advanceSync(10_000)
  t.same(bench.disk.held, [])
  bench.rotate()
  bench.endTurn()
  t.same(bench.disk.held, ['sync 12'])
})

t.test('a large commit leaves the event loop, and is durable no sooner than it is written', async (t) => {
  const bench = new Bench('everysec', LARGE_SEGMENT_BYTES)
  const large = bench.append(1, 2 * MEGABYTE)
  bench.endTurn()
  t.match(bench.disk.held, [/^write 12 0\+/])
  t.equal(bench.writer.durableSequence, 0)
  const later = bench.append()
  bench.endTurn()
  t.equal(bench.disk.held.length, 1, 'one write at a time')
  bench.disk.release()
  t.ok(bench.has(large, 'written'))
  t.equal(bench.writer.durableSequence, later, 'and then the small one at once')
})

t.test(
  'W2 a segment is synced to its end before its successor sees a byte, under every policy',
  async (t) => {
    for (const policy of POLICIES) {
      const bench = new Bench(policy)
      bench.append(4)
      bench.rotate()
      bench.append(2)
      bench.rotate()
      const last = bench.append()
      bench.endTurn()
      while (bench.disk.held.length > 0) bench.disk.release()
      const order = bench.disk.asked.map((text) => text.replace(/ \d+\+\d+/, ''))
      for (const [log, successor] of [
        ['12', '13'],
        ['13', '14'],
      ]) {
        const begins = order.indexOf(`write ${successor}`)
        t.ok(begins > order.lastIndexOf(`sync ${log}`), `${policy}: ${log} is synced before ${successor}`)
        t.ok(
          order.lastIndexOf(`sync ${log}`) > order.lastIndexOf(`write ${log}`),
          `${policy}: after its seal`,
        )
      }
      t.same(bench.sealed, [12, 13])
      t.equal(bench.writer.durableSequence, last)
    }
  },
)

t.test('W2 entries of a successor wait for the sync of the segment before it', async (t) => {
  const bench = new Bench('no')
  const before = bench.append()
  bench.endTurn()
  bench.rotate()
  bench.append()
  bench.endTurn()
  t.same(bench.disk.held, ['sync 12'])
  t.equal(bench.writer.durableSequence, before)
  bench.disk.release()
  t.equal(bench.writer.durableSequence, before + 1)
})

t.test('W3 the first failed write ends the use of the log', async (t) => {
  for (const policy of POLICIES) {
    const bench = new Bench(policy)
    const first = bench.append()
    bench.endTurn()
    if (policy === 'always') bench.disk.release()
    bench.disk.failsNextWrite = 'EIO'
    bench.append()
    bench.endTurn()
    const asked = bench.disk.asked.length
    bench.append()
    bench.endTurn()
    bench.queue.advanceSync(5000)
    t.equal(bench.disk.asked.length, asked, `${policy}: nothing is tried again`)
    t.equal(bench.writer.durableSequence, first)
    t.same(bench.failures, ['EIO: write'])
    t.match(bench.writer.failure, { code: 'EIO' })
  }
})

t.test('W3 the first failed sync ends the use of the log', async (t) => {
  const bench = new Bench('always')
  const first = bench.append()
  bench.endTurn()
  bench.disk.release()
  bench.append()
  bench.endTurn()
  bench.disk.release('sync 12', 'EIO')
  bench.append()
  bench.endTurn()
  bench.queue.advanceSync(5000)
  t.same(bench.disk.held, [], 'no second sync, which would succeed')
  t.equal(bench.writer.durableSequence, first)
  t.same(bench.failures, ['EIO: sync 12'])
})

t.test('W3 a sync that succeeds beside one that failed acknowledges nothing', async (t) => {
  const bench = new Bench('everysec')
  const first = bench.append()
  bench.endTurn()
  bench.queue.advanceSync(1000)
  bench.append()
  bench.writer.setPolicy('always')
  bench.endTurn()
  t.same(bench.disk.held, ['sync 12', 'sync 12'])
  bench.disk.release('sync 12', 'EIO')
  bench.disk.release('sync 12')
  t.equal(bench.writer.durableSequence, first)
  t.equal(bench.writer.syncedSequence, 0)
})

t.test('W3 a write that succeeds beside a failed sync acknowledges nothing', async (t) => {
  const bench = new Bench('everysec', LARGE_SEGMENT_BYTES)
  const first = bench.append()
  bench.endTurn()
  bench.queue.advanceSync(1000)
  bench.append(1, 2 * MEGABYTE)
  bench.endTurn()
  t.equal(bench.disk.held.length, 2)
  bench.disk.release('sync 12', 'EIO')
  bench.disk.release()
  t.equal(bench.writer.durableSequence, first)
})

t.test(
  'a stricter policy counts from the next commit on, and reaches back to what is unsynced',
  async (t) => {
    const bench = new Bench('everysec')
    const loose = bench.append()
    bench.endTurn()
    const strict = bench.append()
    bench.writer.setPolicy('always')
    bench.endTurn()
    t.equal(bench.writer.durableSequence, loose)
    bench.disk.release()
    t.equal(bench.writer.durableSequence, strict)
    t.ok(bench.has(loose, 'synced'))
  },
)

t.test('a looser policy releases what is written', async (t) => {
  const bench = new Bench('always')
  bench.append()
  bench.endTurn()
  const later = bench.append()
  bench.writer.setPolicy('no')
  bench.endTurn()
  bench.disk.release()
  t.equal(bench.writer.durableSequence, later)
  t.same(bench.disk.held, [])
})

t.test('a sync can be asked for under every policy', async (t) => {
  for (const policy of POLICIES) {
    const bench = new Bench(policy)
    bench.append()
    bench.rotate()
    const last = bench.append()
    bench.writer.syncThrough(last)
    bench.endTurn()
    while (bench.disk.held.length > 0) bench.disk.release()
    t.equal(bench.writer.syncedSequence, last)
    bench.append()
    bench.endTurn()
    t.same(bench.disk.held, policy === 'always' ? ['sync 13'] : [], 'and not for what comes later')
  }
})

t.test('closing writes, syncs and seals everything, under every policy', async (t) => {
  for (const policy of POLICIES) {
    const bench = new Bench(policy)
    bench.append(2)
    bench.rotate()
    const last = bench.append(2)
    let closed = false
    void bench.writer.close().then(() => (closed = true))
    while (bench.disk.held.length > 0) bench.disk.release()
    await Promise.resolve()
    t.ok(closed)
    t.ok(bench.has(last, 'synced'))
    t.ok(bench.active.segment.sealed)
    t.equal(bench.disk.synced.get(13), bench.active.segment.tail)
    t.equal(bench.disk.openFiles, 0)
    t.same(bench.failures, [])
  }
})

t.test('closing a log that nothing was written to leaves it unused', async (t) => {
  const bench = new Bench('always')
  await bench.writer.close()
  t.same(bench.disk.asked, ['close 12'])
})

t.test('closing ends although the log fails, and no file is closed under an operation', async (t) => {
  const bench = new Bench('everysec')
  bench.append()
  bench.endTurn()
  bench.queue.advanceSync(1000)
  bench.append()
  let closed = false
  void bench.writer.close().then(() => (closed = true))
  await Promise.resolve()
  t.notOk(closed)
  t.notOk(bench.disk.asked.includes('close 12'))
  bench.disk.release('sync 12', 'EIO')
  while (bench.disk.held.length > 0) {
    t.notOk(bench.disk.asked.includes('close 12'))
    bench.disk.release()
  }
  await Promise.resolve()
  t.ok(closed)
  t.equal(bench.disk.openFiles, 0)
})

t.test('closing ends although a write fails, and then the sync beside it', async (t) => {
  const bench = new Bench('everysec', LARGE_SEGMENT_BYTES)
  bench.append()
  bench.endTurn()
  bench.queue.advanceSync(1000)
  bench.append(1, 2 * MEGABYTE)
  let closed = false
  const closing = bench.writer.close().then(() => (closed = true))
  const [sync, write] = bench.disk.held
  t.equal(sync, 'sync 12')
  t.match(write, /^write 12/)
  bench.disk.release(write, 'EIO')
  await Promise.resolve()
  t.notOk(closed, 'the sync still has the file')
  bench.disk.release(sync, 'EIO')
  await closing
  t.equal(bench.failures.length, 1, 'the log has failed once')
  t.equal(bench.disk.openFiles, 0)
})

t.test(
  'no schedule makes an entry durable before it is written, or under always before it is synced',
  async (t) => {
    const SEEDS = 300
    let durable = 0
    for (let seed = 0; seed < SEEDS; seed++) {
      const random = new SimRandom(seed)
      const bench = new Bench(random.pick(POLICIES))
      let strictFrom = 0
      let problem = ''
      bench.onDurable = () => {
        const sequence = bench.writer.durableSequence
        if (!bench.has(sequence, 'written')) problem = `${sequence} is not written`
        if (bench.writer.policy === 'always' && sequence > strictFrom && !bench.has(sequence, 'synced')) {
          problem = `${sequence} is not synced`
        }
        if (bench.writer.syncedSequence > 0 && !bench.has(bench.writer.syncedSequence, 'synced')) {
          problem = `${bench.writer.syncedSequence} is called synced`
        }
      }
      for (let step = 0; step < 60; step++) {
        const dice = random.below(12)
        if (dice < 4) bench.append(1 + random.below(3), random.below(200))
        else if (dice < 6) bench.endTurn()
        else if (dice < 9 && bench.disk.held.length > 0) bench.disk.release(random.pick(bench.disk.held))
        else if (dice === 9) bench.queue.advanceSync(random.below(1500))
        else if (dice === 10 && random.chance(0.3)) bench.rotate()
        else if (dice === 11) {
          const policy = random.pick(POLICIES)
          if (policy === 'always') strictFrom = bench.writer.durableSequence
          bench.writer.setPolicy(policy)
        }
        if (problem !== '') break
      }
      durable += bench.writer.durableSequence - HEADER.firstSequence
      if (problem !== '') t.fail(`seed ${seed}: ${problem}`)
    }
    t.ok(durable > 20 * SEEDS, 'much became durable')
  },
)

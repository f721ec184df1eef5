import t from 'tap'
import type { Test } from 'tap'
import { CorruptionError } from '../../../../src/storage/corruption-error.js'
import { sealRecovered } from '../../../../src/storage/log/recover-segment.js'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  SEGMENT_HEADER_BYTES,
  segmentId,
  spareMark,
  writeBatchHeader,
} from '../../../../src/storage/log/segment-format.js'
import { SegmentMemory } from '../../../../src/storage/log/segment.js'
import { findIn, HEADER, LogFile } from './log-file.js'
import type { RecoveryResult } from './log-file.js'

/** Recovers a log that must be intact up to its end. */
function recovered(log: LogFile, hasSuccessor = false): RecoveryResult & { cutBytes: number } {
  const result = log.recover(hasSuccessor)
  if (result.recovered.kind === 'lost') throw result.recovered.damage
  return { ...result, cutBytes: result.recovered.cutBytes }
}

function throwsCorruption(t: Test, log: LogFile, offset: number, hasSuccessor = false, what = ''): void {
  try {
    log.recover(hasSuccessor)
    t.fail(`${what} is not noticed`)
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    if (error.file !== log.path || error.offset !== offset) t.fail(`${what}: ${error.message}`)
  }
}

t.test('W1 a log that nothing happened to comes back whole, newest entries indexed', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1', b: '2' })
  log.batch({ a: '3' })
  log.batch({ b: null, c: '4' })
  const { entries, cutBytes, recovered: result } = recovered(log)
  t.same(entries, ['1000 a=1', '1001 b=2', '1002 a=3', '1003 b deleted', '1004 c=4'])
  t.equal(cutBytes, 0)
  if (result.kind !== 'recovered') throw new Error('it was written')
  const { segment } = result
  t.same(
    ['a', 'b', 'c', 'd'].map((key) => findIn(segment, key)),
    ['1002 a=3', '1003 b deleted', '1004 c=4', null],
  )
  t.equal(segment.keyCount, 3)
  t.equal(segment.tail, log.segment.tail)
  t.equal(segment.minSequence, 1000)
  t.equal(segment.maxSequence, 1004)
})

t.test('a log with more keys than a segment of its size would index comes back whole', async (t) => {
  const sizeBytes = 128 * 1024
  const log = new LogFile(sizeBytes, HEADER, new SegmentMemory(sizeBytes, 4096))
  const keys = Array.from({ length: 1500 }, (_, i) => `${i}`)
  log.batch(Object.fromEntries(keys.map((key) => [key, ''])))
  const { recovered: result } = recovered(log)
  if (result.kind !== 'recovered') throw new Error('it was written')
  t.equal(result.segment.keyCount, keys.length)
  t.ok(keys.length > 0.75 * new SegmentMemory(sizeBytes).records.length, 'more than it would have let in')
})

t.test(
  'W1 the log ends where its last batch is torn, wherever that is, and says how much was cut',
  async (t) => {
    const log = new LogFile()
    log.batch({ a: '1' })
    const torn = log.batch({ b: '2', c: '3' }, false)
    const whole = log.bytes()
    for (let cut = torn + 1; cut < log.segment.tail; cut++) {
      log.overwrite(0, whole)
      log.lose(cut, log.segment.tail)
      const { entries, cutBytes } = recovered(log)
      if (entries.join() !== '1000 a=1') t.fail(`cut at ${cut}: ${entries.join()}`)
      // What was torn may end in zeros itself.
      if (cutBytes > cut - torn || (cut > torn + 16 && cutBytes === 0))
        t.fail(`${cutBytes} bytes cut at ${cut}`)
    }
    for (let size = torn; size < log.segment.tail; size++) {
      log.overwrite(0, whole)
      log.truncate(size)
      const { entries } = recovered(log)
      if (entries.join() !== '1000 a=1') t.fail(`shortened to ${size}: ${entries.join()}`)
    }
    t.pass(`${log.segment.tail - torn} places`)
  },
)

t.test(
  'W1 valid batches behind a hole are discarded when nothing says that the hole was synced',
  async (t) => {
    const log = new LogFile()
    log.batch({ a: '1' })
    const hole = log.batch({ b: '2' }, false)
    const behind = log.batch({ c: '3' }, false)
    log.lose(hole, behind)
    const { entries, cutBytes } = recovered(log)
    t.same(entries, ['1000 a=1'])
    t.equal(cutBytes, log.segment.tail - hole)
  },
)

t.test('W1 a hole below what a later batch says was synced is corruption', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' })
  const hole = log.batch({ b: '2' })
  const behind = log.batch({ c: '3' }, false)
  log.lose(hole, behind)
  t.throws(() => log.recover(), {
    name: 'CorruptionError',
    file: log.path,
    offset: hole,
    message: /damage below the synced offset.*Restore/,
  })
  const later = log.batch({ d: '4' }, false)
  log.lose(behind, later)
  throwsCorruption(t, log, hole, false, 'a hole before another hole')
})

t.test('W1 any flipped bit in a synced batch is corruption, with file and offset', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' })
  const synced = log.batch({ b: '2', c: null })
  const behind = log.batch({ d: '4' }, false)
  for (let at = synced; at < behind; at++) {
    log.disk.flipBit(log.path, at, at % 8)
    throwsCorruption(t, log, synced, false, `byte ${at}`)
    log.disk.flipBit(log.path, at, at % 8)
  }
  t.same(recovered(log).entries.length, 4)
})

t.test('W1 a header that is damaged under synced batches is corruption', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' })
  log.batch({ b: '2' }, false)
  for (let at = 0; at < 64; at++) {
    log.disk.flipBit(log.path, at, 3)
    throwsCorruption(t, log, 0, false, `byte ${at}`)
    log.disk.flipBit(log.path, at, 3)
  }
  t.equal(recovered(log).entries.length, 2)
})

t.test('W1 a first write of which the header never arrived was never synced', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' }, false)
  log.batch({ b: '2' }, false)
  log.lose(0, 20)
  const expected = { kind: 'unused', cutBytes: log.segment.tail, damage: 'not a log segment (wrong magic)' }
  t.same(log.recover().recovered, expected)
  t.same(log.recover(true).recovered, expected, 'with a successor, which says whether it is missed')
})

t.test('a file that was made ahead and never written is unused, whatever its size', async (t) => {
  t.same(new LogFile().recover().recovered, { kind: 'unused', cutBytes: 0, damage: null })
  t.same(new LogFile().recover(true).recovered, { kind: 'unused', cutBytes: 0, damage: null })
  const log = new LogFile()
  log.truncate(0)
  t.same(log.recover().recovered, { kind: 'unused', cutBytes: 0, damage: null })
  log.overwrite(0, Buffer.from('KND'))
  t.same(log.recover().recovered, {
    kind: 'unused',
    cutBytes: 3,
    damage: 'shorter than its header',
  })
})

t.test('W1 several writes of one command come back whole or not at all', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' })
  const start = log.batch({ a: '2', b: '2', c: '2' }, false)
  for (let at = start; at < log.segment.tail; at++) {
    log.disk.flipBit(log.path, at, 0)
    const { entries } = recovered(log)
    if (entries.join() !== '1000 a=1') t.fail(`byte ${at}: ${entries.join()}`)
    log.disk.flipBit(log.path, at, 0)
  }
  t.equal(recovered(log).entries.length, 4)
})

t.test('W1 a batch whose header counts other entries than there are is not believed', async (t) => {
  for (const entries of [1, 3]) {
    const log = new LogFile()
    const at = log.batch({ a: '1', b: '2' }, false)
    const header = Buffer.alloc(at + BATCH_HEADER_BYTES)
    const byteLength = log.segment.tail - at - BATCH_HEADER_BYTES
    writeBatchHeader(header, at, BATCH_MAGIC, HEADER.id, byteLength, entries, 0)
    log.overwrite(at, header.subarray(at))
    t.same(recovered(log).entries, [])
  }
})

t.test('W1 a clean seal testifies to everything before it', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' })
  const last = log.batch({ b: '2' })
  const seal = log.segment.tail
  log.seal()
  t.match(log.recover().recovered, { kind: 'recovered', sealed: true })
  for (let at = last; at < seal; at++) {
    log.disk.flipBit(log.path, at, 5)
    throwsCorruption(t, log, last, false, `byte ${at}`)
    log.disk.flipBit(log.path, at, 5)
  }
  log.disk.flipBit(log.path, seal + 1, 0)
  const { entries, cutBytes, recovered: result } = recovered(log)
  t.same(entries, ['1000 a=1', '1001 b=2'], 'with the seal itself damaged nothing is lost')
  t.ok(cutBytes > 0 && result.kind === 'recovered' && !result.sealed)
})

t.test('W2 a log with a successor is sealed: anything missing from it is corruption', async (t) => {
  const log = new LogFile()
  log.batch({ a: '1' })
  const last = log.batch({ b: '2' }, false)
  throwsCorruption(t, log, log.segment.tail, true, 'no seal')
  const seal = log.segment.tail
  log.seal()
  t.match(log.recover(true).recovered, { kind: 'recovered', sealed: true })
  for (let at = last; at < log.segment.tail; at++) {
    log.disk.flipBit(log.path, at, 2)
    throwsCorruption(t, log, at < seal ? last : seal, true, `byte ${at}`)
    log.disk.flipBit(log.path, at, 2)
  }
  t.equal(recovered(log, true).entries.length, 2)
})

t.test('bytes of another segment are never replayed, wherever they stand', async (t) => {
  const old = new LogFile(4096, { ...HEADER, id: HEADER.id - 1 })
  for (let i = 0; i < 8; i++) old.batch({ [`old ${i}`]: 'stale' })
  const log = new LogFile()
  log.batch({ 'old 0': 'fresh' })
  const fresh = log.bytes().subarray(0, log.segment.tail)
  log.overwrite(0, old.bytes())
  log.overwrite(0, fresh)
  const { entries, cutBytes } = recovered(log)
  t.same(entries, ['1000 old 0=fresh'])
  t.ok(cutBytes > 0)
})

t.test('a file that carries the number of another one is not taken for it', async (t) => {
  const log = new LogFile(4096, { ...HEADER, fileNumber: HEADER.fileNumber + 1 })
  log.batch({ a: '1' })
  t.throws(() => log.recover(), { name: 'CorruptionError', offset: 0, what: /it is log 13/ })
})

t.test('a log that fills its file to the last byte has room for its seal', async (t) => {
  const log = new LogFile(600)
  const start = log.batch({ a: 'x'.repeat(300) })
  log.truncate(log.segment.tail)
  t.ok(start < log.segment.tail)
  const { recovered: result } = log.recover()
  if (result.kind !== 'recovered') throw new Error('it was written')
  sealRecovered(log.disk, result.segment)
  t.match(log.recover(true), { entries: [`1000 a=${'x'.repeat(300)}`], recovered: { sealed: true } })
})

t.test(
  'W1 what recovery has cut stays cut, and what it has shown stays, over a crash at any point',
  async (t) => {
    for (let cut = 1; cut < 12; cut++) {
      const log = new LogFile()
      log.disk.syncDirectory('/')
      log.batch({ a: '1' })
      const hole = log.batch({ b: '2' }, false)
      const behind = log.batch({ c: '3' }, false)
      log.lose(hole, behind)
      const file = log.disk.open(log.path, 'write')
      log.disk.syncSync(file)
      log.disk.close(file)

      const { recovered: result } = log.recover()
      if (result.kind !== 'recovered') throw new Error('it was written')
      log.disk.powerOffAt(cut)
      let isFinal = true
      try {
        sealRecovered(log.disk, result.segment)
      } catch (error) {
        if (!log.disk.isOff) throw error
        isFinal = false
      }
      log.disk.crash(cut % 2 === 0 ? 'lose-all' : 'random')
      const again = log.recover()
      t.same(again.entries, ['1000 a=1'], `power off at operation ${cut}`)
      if (isFinal) t.match(again.recovered, { sealed: true, cutBytes: 0 })
    }
  },
)

t.test('W3 what a failed sync left in the page cache is written again before it is served', async (t) => {
  // Several pages: the one at the end of the log is made dirty anyway, by the cut and the seal.
  const entries = { a: 'x'.repeat(9000), b: 'y'.repeat(9000) }
  const expected = [`1000 a=${entries.a}`, `1001 b=${entries.b}`]
  for (const isSealed of [false, true]) {
    const log = new LogFile(32 * 1024)
    const file = log.disk.open(log.path, 'write')
    log.disk.syncSync(file)
    log.disk.syncDirectory('/')
    log.batch(entries, false)
    if (isSealed) log.segment.seal()
    log.commit(false)
    log.disk.failAt(1, 'EIO', 'sync')
    t.throws(() => log.disk.syncSync(file), { code: 'EIO' })
    log.disk.close(file)

    const { recovered: result, entries: found } = log.recover()
    if (result.kind !== 'recovered') throw new Error('it was written')
    t.same(found, expected)
    sealRecovered(log.disk, result.segment)
    log.disk.crash('lose-all')
    t.match(log.recover(), { entries: expected, recovered: { kind: 'recovered', sealed: true } })
  }
})

const REUSED_BYTES = 16 * 1024
const REUSED = { ...HEADER, isReused: true }

/** The bytes of a log that was sealed and synced, and is a spare now. */
function spareBytes(): Buffer {
  const old = new LogFile(REUSED_BYTES, { ...HEADER, id: segmentId(7, 1), fileNumber: 7 })
  for (let i = 0; i < 100; i++) old.batch({ [`old ${i}`]: 'of an older log' })
  old.seal()
  const bytes = old.bytes()
  spareMark().copy(bytes)
  return bytes
}

/** A log in a file that was another one before. */
function reusedLog(): LogFile {
  const log = new LogFile(REUSED_BYTES, REUSED)
  log.overwrite(0, spareBytes())
  return log
}

t.test('W1 a log that was marked as a spare is unused', async (t) => {
  const expected = { kind: 'unused', cutBytes: 0, damage: null }
  t.same(reusedLog().recover().recovered, expected)
  t.same(reusedLog().recover(true).recovered, expected)
})

t.test('W1 what a file held as an older log is not replayed, wherever the new one ends', async (t) => {
  const log = reusedLog()
  const wanted: string[] = []
  for (let i = 0; i < 120; i++) {
    log.batch({ [`${i}`]: '.'.repeat(i % 40) }, i % 3 > 0)
    wanted.push(`${1000 + i} ${i}=${'.'.repeat(i % 40)}`)
    const { entries, cutBytes } = recovered(log)
    if (entries.join() !== wanted.join() || cutBytes !== 0) t.fail(`${entries.length} entries of ${i + 1}`)
  }
  t.ok(log.segment.tail > 12_000, 'it went through pages that were full before')
  log.seal()
  t.equal(recovered(log, true).entries.length, 120)
})

t.test('W1 a torn write over an older log ends the log, and says how much was cut', async (t) => {
  const log = reusedLog()
  const old = log.bytes()
  log.batch({ a: '1' })
  for (let i = 0; i < 30; i++) log.batch({ [`${i}`]: '.'.repeat(100) })
  const torn = log.batch({ b: '2', c: '3' }, false)
  const whole = log.bytes()
  for (let cut = torn; cut < log.segment.tail; cut++) {
    log.overwrite(0, whole)
    log.overwrite(cut, old.subarray(cut))
    const { entries, cutBytes } = recovered(log)
    if (entries.length !== 31) t.fail(`cut at ${cut}: ${entries.join()}`)
    if (cutBytes !== (cut >= torn + BATCH_HEADER_BYTES ? log.segment.tail - torn : 0))
      t.fail(`${cutBytes} cut`)
  }
  t.pass(`${log.segment.tail - torn} places`)
})

t.test('W1 damage to what was synced is noticed over an older log, too', async (t) => {
  const log = reusedLog()
  const old = log.bytes()
  const synced = log.batch({ a: '1' })
  const behind = log.batch({ b: '2' }, false)
  for (let at = 0; at < behind; at++) {
    log.disk.flipBit(log.path, at, at % 8)
    throwsCorruption(t, log, at < SEGMENT_HEADER_BYTES ? 0 : synced, false, `byte ${at}`)
    log.disk.flipBit(log.path, at, at % 8)
  }
  log.overwrite(0, old.subarray(0, SEGMENT_HEADER_BYTES))
  throwsCorruption(t, log, 0, false, 'the mark in place of the header')
})

t.test(
  'W1 over an older log, a first write of which the header never arrived was never synced',
  async (t) => {
    const log = reusedLog()
    const old = log.bytes()
    log.batch({ a: '1' }, false)
    log.batch({ b: '2' }, false)
    log.overwrite(0, old.subarray(0, SEGMENT_HEADER_BYTES))
    t.same(log.recover().recovered, { kind: 'unused', cutBytes: 0, damage: null })
    log.overwrite(0, Buffer.from('torn'))
    t.match(log.recover().recovered, { kind: 'unused', damage: 'not a log segment (wrong magic)' })
  },
)

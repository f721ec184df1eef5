import t from 'tap'
import { EagerReads } from '../../../src/coordinator/eager-reads.js'

const FAST_MS = 0.002
const SLOW_MS = 8

/** One read at `nowMs`, when it is allowed. */
function read(reads: EagerReads, nowMs: number, durationMs: number): boolean {
  reads.beginBatch()
  if (!reads.allowed(nowMs)) return false
  reads.took(durationMs, nowMs + durationMs)
  return true
}

void t.test('fast reads go on being made on the spot', (t) => {
  const reads = new EagerReads()
  for (let i = 0; i < 5000; i++) if (!read(reads, i, FAST_MS)) t.fail(`read ${i} was refused`)
  t.ok(read(reads, 5000, FAST_MS))
  t.end()
})

void t.test('a slow read now and then, as a busy machine makes them, changes nothing', (t) => {
  const reads = new EagerReads()
  for (let i = 0; i < 5000; i++) {
    if (!read(reads, i, i % 200 === 0 ? SLOW_MS : FAST_MS)) t.fail(`read ${i} was refused`)
  }
  t.ok(read(reads, 5000, FAST_MS))
  t.end()
})

void t.test('on a cold disk few reads block, ever more rarely, and fast ones bring them back', (t) => {
  const reads = new EagerReads()
  let blocking = 0
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) if (read(reads, nowMs, SLOW_MS)) blocking++
  t.ok(blocking >= 3 && blocking <= 60, `${blocking} of 6000 reads blocked`)
  let nowMs = 120_000
  for (let i = 0; i < 20_000; i++) read(reads, (nowMs += 1), FAST_MS)
  t.ok(read(reads, nowMs + 1, FAST_MS), 'allowed again')
  t.end()
})

void t.test('one batch reads a bounded number of blocks on the spot', (t) => {
  const reads = new EagerReads()
  reads.beginBatch()
  let count = 0
  while (reads.allowed(0)) {
    reads.took(FAST_MS, 0)
    count++
  }
  t.equal(count, 256)
  reads.beginBatch()
  t.ok(reads.allowed(0))
  t.end()
})

void t.test('one batch reads on the spot for about a millisecond, whatever a read takes', (t) => {
  const reads = new EagerReads()
  reads.beginBatch()
  let count = 0
  for (; count < 1000 && reads.allowed(0); count++) reads.took(0.05, 0)
  t.ok(count >= 20 && count <= 21, `${count} of 50 us`)
  reads.beginBatch()
  t.ok(reads.allowed(0), 'the next batch has its own')
  t.end()
})

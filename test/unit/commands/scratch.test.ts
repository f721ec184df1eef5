/** The buffer in which values are built. */
import t from 'tap'
import { SCRATCH_BYTES_KEPT, Scratch, scratch } from '../../../src/commands/scratch.js'
import { HandlerRunner } from './handler-runner.js'

t.test('it grows to what is asked for and is used again', (t) => {
  const own = new Scratch()
  const first = own.take(100)
  t.equal(own.take(first.length), first)
  const larger = own.take(first.length + 1)
  t.equal(larger.length, 2 * first.length)
  own.giveBack()
  t.equal(own.take(1), larger)
  t.end()
})

t.test('a large one is not kept', (t) => {
  const own = new Scratch()
  t.equal(own.take(SCRATCH_BYTES_KEPT).length, SCRATCH_BYTES_KEPT)
  own.giveBack()
  t.equal(own.buffer.length, SCRATCH_BYTES_KEPT)
  t.equal(own.take(SCRATCH_BYTES_KEPT + 7).length, SCRATCH_BYTES_KEPT + 7)
  own.giveBack()
  t.ok(own.buffer.length < SCRATCH_BYTES_KEPT)
  t.end()
})

t.test('a command gives it back, also when its write fails', async (t) => {
  const runner = new HandlerRunner()
  const offset = String(2 * SCRATCH_BYTES_KEPT)
  t.equal(await runner.text('setrange', 'a', offset, 'x'), `:${2 * SCRATCH_BYTES_KEPT + 1}\r\n`)
  t.ok(scratch.buffer.length <= SCRATCH_BYTES_KEPT)
  runner.keyspace.full = true
  await t.rejects(runner.text('setrange', 'a', offset, 'y'))
  t.ok(scratch.buffer.length <= SCRATCH_BYTES_KEPT)
})

t.test('nothing of an earlier value shows in a gap', async (t) => {
  const runner = new HandlerRunner()
  await runner.text('append', 'a', 'secret')
  await runner.text('append', 'a', 'secret')
  t.equal(await runner.text('setrange', 'b', '10', 'x'), ':11\r\n')
  t.equal(await runner.text('get', 'b'), `$11\r\n${'\0'.repeat(10)}x\r\n`)
  t.equal(await runner.text('setbit', 'c', '31', '0'), ':0\r\n')
  t.equal(await runner.text('get', 'c'), `$4\r\n${'\0'.repeat(4)}\r\n`)
})

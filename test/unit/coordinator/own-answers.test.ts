import t from 'tap'
import { bulkReply, integerReply } from '../../../src/coordinator/cluster-calls.js'
import { FlushMarks } from '../../../src/coordinator/flush-marks.js'
import { ANSWERS_MAX, OwnAnswers } from '../../../src/coordinator/own-answers.js'
import { ScanPage } from '../../../src/coordinator/scan-page.js'
import { Topology } from '../../../src/coordinator/topology.js'
import { Ring } from '../../../src/ring/ring.js'
import { TOKEN_END } from '../../../src/ring/token.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'
import { membersOf } from '../../support/ring-members.js'

interface World {
  readonly machine: StorageMachine
  readonly ring: Ring
  readonly ask: (...args: readonly (string | number)[]) => Promise<Buffer>
}

async function started(seed: string, stampLimit = Number.MAX_SAFE_INTEGER): Promise<World> {
  const machine = StorageMachine.fromSeed(seed, TINY)
  await machine.start()
  const { store, keyspace } = machine
  const { clock } = machine.env
  const ring = new Ring(membersOf(1), 1)
  const topology = new Topology(ring, 0, [null])
  const marks = new FlushMarks(store, keyspace, () => stampLimit)
  const answers = new OwnAnswers({ clock, store, keyspace, topology, takeMark: (mark) => marks.take(mark) })
  return { machine, ring, ask: (...args) => answers.answer(args.map((arg) => Buffer.from(String(arg)))) }
}

/** Appends without waiting for the log. */
function append({ keyspace }: StorageMachine, key: string): void {
  const bytes = Buffer.from(key)
  keyspace.beginBatch()
  keyspace.find(bytes, 0, bytes.length)
  keyspace.set(bytes, 0, bytes.length, bytes, 0, bytes.length, 0)
}

t.test('R2 nothing is answered before the log has what it shows', async (t) => {
  const { machine, ring, ask } = await started('durable')
  const calls = [
    ['COUNT', ring.version, '0'],
    ['PAGE', 0, TOKEN_END, 10],
    ['FLUSH', machine.keyspace.stamp + 1e9],
  ]
  for (const [i, call] of calls.entries()) {
    append(machine, `key ${i}`)
    let isAnswered = false
    const answer = ask(...call).then((reply) => {
      isAnswered = true
      return reply
    })
    await Promise.resolve()
    t.ok(machine.store.sequence > machine.store.durableSequence, 'the log waits')
    t.notOk(isAnswered, String(call[0]))
    await machine.settle()
    t.notMatch((await answer).toString('latin1'), /^-/)
  }
})

t.test('what a page needs is not what the requests of the same turn need', async (t) => {
  const { machine, ask } = await started('apart')
  append(machine, 'key')
  machine.keyspace.needSequence = 0
  const answer = ask('PAGE', 0, TOKEN_END, 10)
  t.equal(machine.keyspace.needSequence, 0)
  await machine.settle()
  t.equal(ScanPage.decode(bulkReply(await answer))?.entryCount, 1)
})

t.test('P4 a mark is taken once, whoever brings it', async (t) => {
  const { machine, ring, ask } = await started('marks')
  append(machine, 'key')
  await machine.settle()
  const mark = machine.keyspace.stamp + 5000
  for (let i = 0; i < 3; i++) {
    const answer = ask('FLUSH', mark)
    await machine.settle()
    t.equal((await answer).toString(), '+OK\r\n')
  }
  const { sequence } = machine.store
  await ask('FLUSH', mark - 1)
  t.equal(machine.store.sequence, sequence, 'nothing further was appended')
  t.equal(machine.store.flushMark, mark)
  t.ok(machine.keyspace.stamp >= mark, 'the clock has gone past it')
  t.equal(integerReply(await ask('COUNT', ring.version, '0')), 0)
})

t.test('C2 a mark from the future is refused', async (t) => {
  const { machine, ask } = await started('future', 1000)
  t.match((await ask('FLUSH', 1001)).toString(), /^-ERR the flush mark is ahead/)
  t.equal(machine.store.flushMark, 0)
})

t.test('what makes no sense is an error', async (t) => {
  const { ring, ask } = await started('nonsense')
  const calls = [
    ['NOTHING'],
    ['COUNT', 'another version', '0'],
    ['COUNT', ring.version, '1'],
    ['COUNT', ring.version, '-1'],
    ['COUNT', ring.version],
    ['PAGE', 5, 5, 1],
    ['PAGE', -1, 5, 1],
    ['PAGE', 0, 2 ** 54, 1],
    ['PAGE', 0, 5],
    ['FLUSH', 0],
    ['FLUSH', 'x'],
  ]
  for (const call of calls) t.match((await ask(...call)).toString(), /^-ERR/, call.join(' '))
})

t.test('a node answers so many calls at a time, and no more', async (t) => {
  const { machine, ask } = await started('bounded')
  append(machine, 'key')
  const answers = Array.from({ length: ANSWERS_MAX + 1 }, () => ask('PAGE', 0, TOKEN_END, 1))
  t.match((await answers[ANSWERS_MAX]).toString(), /^-ERR too many/)
  await machine.settle()
  for (const answer of answers.slice(0, ANSWERS_MAX)) t.notMatch((await answer).toString('latin1'), /^-/)
  t.notMatch((await ask('PAGE', 0, TOKEN_END, 1)).toString('latin1'), /^-/, 'there is room again')
})

import t from 'tap'
import { AwaitedAcks } from '../../../src/coordinator/awaited-acks.js'
import { Operation } from '../../../src/coordinator/operation.js'

t.test('what was sent in an earlier round of an operation counts for nothing in a later one', async (t) => {
  const acks = new AwaitedAcks()
  const operation = new Operation(1)
  acks.add(1, 1, 2, operation)
  t.equal(acks.frontBit, 2)
  operation.beginRound()
  t.equal(acks.frontBit, 0, 'an acknowledgement is nobody’s')
  t.equal(acks.refuse(1), operation)
  t.equal(operation.refused, 0, 'a refusal neither')
  acks.add(2, 3, 2, operation)
  t.equal(acks.shift(), operation)
  t.equal(acks.frontBit, 2)
  acks.refuse(3)
  t.equal(operation.refused, 2)
  t.equal(operation.references, 2, 'it is still referred to by both')
})

t.test('rounds are kept when the queue grows', async (t) => {
  const acks = new AwaitedAcks()
  const operation = new Operation(1)
  const count = 3000
  for (let sequence = 1; sequence <= count; sequence++) {
    if (sequence === count) operation.beginRound()
    acks.add(sequence, sequence, 4, operation)
  }
  for (let sequence = 1; sequence <= count; sequence++) {
    const expected = sequence === count ? 4 : 0
    if (acks.frontLast !== sequence || acks.frontBit !== expected) t.fail(`request ${sequence}`)
    acks.shift()
  }
  t.ok(acks.isEmpty)
})

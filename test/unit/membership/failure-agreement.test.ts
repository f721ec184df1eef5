/** RULES P1: failed is what two members hold down, or the only live one. */
import t from 'tap'
import { holdersOf, isFailed } from '../../../src/membership/failure-agreement.js'
import type { Judgements } from '../../../src/membership/failure-agreement.js'
import { encodeHoldsDown, namesMember } from '../../../src/membership/holds-down.js'

/** `down`: whom this node, member 0, holds down; `said`: whom others say that they hold down; `stale`: whose word is old. */
function judgements(
  members: number,
  down: readonly number[],
  said: Readonly<Record<number, readonly number[]>> = {},
  stale: readonly number[] = [],
): Judgements {
  return {
    members,
    self: 0,
    isDown: (member) => down.includes(member),
    isFresh: (member) => !stale.includes(member),
    holdsDown: (holder, member) => said[holder]?.includes(member) ?? false,
  }
}

t.test('P1 two members that hold it down make a member failed, one does not', async (t) => {
  t.notOk(isFailed(2, judgements(3, [])))
  t.notOk(isFailed(2, judgements(3, [2])), 'only this node')
  t.notOk(isFailed(2, judgements(3, [], { 1: [2] })), 'only another one')
  t.ok(isFailed(2, judgements(3, [2], { 1: [2] })))
  t.ok(isFailed(4, judgements(5, [], { 1: [4], 2: [4] })), 'two others, whatever this node sees')
  t.same(holdersOf(2, judgements(3, [2], { 1: [2] })), [0, 1])
})

t.test('P1 the only live one needs no second', async (t) => {
  t.ok(isFailed(1, judgements(2, [1])))
  t.ok(isFailed(2, judgements(3, [1, 2])))
  t.notOk(isFailed(2, judgements(4, [1, 2])), 'there is another live one, which has not said so')
  t.notOk(isFailed(1, judgements(2, [])))
})

t.test('who is down here, or was not heard of lately, is no witness', async (t) => {
  t.notOk(isFailed(2, judgements(4, [2, 1], { 1: [2] })), 'a dead witness')
  t.notOk(isFailed(2, judgements(4, [2], { 1: [2] }, [1])), 'an old word')
  t.ok(isFailed(2, judgements(4, [2, 1], { 1: [2], 3: [2] })))
  t.same(holdersOf(2, judgements(4, [1], { 1: [2], 3: [2] })), [3])
})

t.test('a node never holds itself for failed, and no member is its own witness', async (t) => {
  const accused = judgements(4, [], { 1: [0], 2: [0], 3: [3] })
  t.notOk(isFailed(0, accused))
  t.same(holdersOf(0, accused), [1, 2], 'but it knows who does')
  t.same(holdersOf(3, accused), [])
})

t.test('HOLDS_DOWN names members by u16', async (t) => {
  const bytes = encodeHoldsDown([1, 256, 1023])
  t.equal(bytes.toString('hex'), '01000001ff03')
  t.same(
    [0, 1, 255, 256, 1023].map((member) => namesMember(bytes, member)),
    [false, true, false, true, true],
  )
  t.notOk(namesMember(null, 1))
  t.notOk(namesMember(Buffer.alloc(0), 0))
  t.notOk(namesMember(Buffer.from([0]), 0), 'half a number is none')
})

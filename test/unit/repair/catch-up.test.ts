import t from 'tap'
import { CatchUp } from '../../../src/repair/catch-up.js'

const MAX_MS = 60_000

t.test('H1 a node catches up until every live peer has said that it holds nothing for it', async (t) => {
  const catchUp = new CatchUp()
  t.equal(catchUp.isCatchingUp(0, MAX_MS), false, 'nobody is there who could hold anything')
  catchUp.peerLive(1, 0)
  catchUp.peerLive(2, 0)
  t.equal(catchUp.isCatchingUp(10, MAX_MS), true, 'nobody has said anything')
  catchUp.peerHolds(1, 0, 10)
  t.equal(catchUp.isCatchingUp(10, MAX_MS), true)
  catchUp.peerHolds(2, 30, 10)
  t.equal(catchUp.isCatchingUp(20, MAX_MS), true)
  t.equal(catchUp.held, 30)
  catchUp.peerHolds(2, 0, 30)
  t.equal(catchUp.isCatchingUp(30, MAX_MS), false)
})

t.test('H1 it takes catch-up-max at the longest, for each return of a peer', async (t) => {
  const catchUp = new CatchUp()
  catchUp.peerLive(1, 0)
  catchUp.peerHolds(1, 5, 10)
  catchUp.peerHolds(1, 4, 30_000)
  t.equal(catchUp.isCatchingUp(MAX_MS - 1, MAX_MS), true)
  t.equal(catchUp.isCatchingUp(MAX_MS, MAX_MS), false)
  t.equal(catchUp.isCatchingUp(1, 0), false, 'never, with 0')
  catchUp.peerAway(1)
  t.equal(catchUp.isCatchingUp(1, MAX_MS), false, 'a peer that is away is not waited for')
  catchUp.peerLive(1, 70_000)
  t.equal(catchUp.isCatchingUp(70_001, MAX_MS), true, 'what it said before is old')
})

t.test('H1 a peer that only now finds out what it holds counts from then on', async (t) => {
  const catchUp = new CatchUp()
  catchUp.peerLive(1, 0)
  catchUp.peerHolds(1, 0, 10)
  catchUp.peerHolds(1, 7, 100_000)
  t.equal(catchUp.isCatchingUp(100_001, MAX_MS), true)
  catchUp.peerHolds(1, 9, 150_000)
  t.equal(catchUp.isCatchingUp(160_000, MAX_MS), false)
  catchUp.peerHolds(3, 9, 150_000)
  t.equal(catchUp.isCatchingUp(160_000, MAX_MS), false, 'who is not live is not heard')
})

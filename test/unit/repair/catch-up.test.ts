import t from 'tap'
import { CatchUp } from '../../../src/repair/catch-up.js'

const MAX_MS = 60_000
/** Of the wall clock, when the monotonic one is 0. */
const WALL_MS = 1_800_000_000_000

t.test('H1 a node catches up until every live peer has said that it holds nothing for it', async (t) => {
  const catchUp = new CatchUp()
  t.equal(catchUp.isCatchingUp(0, MAX_MS), false, 'nobody is there who could hold anything')
  catchUp.peerLive(1, 0, WALL_MS + 0)
  catchUp.peerLive(2, 0, WALL_MS + 0)
  t.equal(catchUp.isCatchingUp(10, MAX_MS), true, 'nobody has said anything')
  catchUp.peerHolds(1, 0, 10, WALL_MS + 10)
  t.equal(catchUp.isCatchingUp(10, MAX_MS), true)
  catchUp.peerHolds(2, 30, 10, WALL_MS + 10)
  t.equal(catchUp.isCatchingUp(20, MAX_MS), true)
  t.equal(catchUp.held, 30)
  catchUp.peerHolds(2, 0, 30, WALL_MS + 30)
  t.equal(catchUp.isCatchingUp(30, MAX_MS), false)
})

t.test('H1 it takes catch-up-max at the longest, for each return of a peer', async (t) => {
  const catchUp = new CatchUp()
  catchUp.peerLive(1, 0, WALL_MS + 0)
  catchUp.peerHolds(1, 5, 10, WALL_MS + 10)
  catchUp.peerHolds(1, 4, 30_000, WALL_MS + 30_000)
  t.equal(catchUp.isCatchingUp(MAX_MS - 1, MAX_MS), true)
  t.equal(catchUp.isCatchingUp(MAX_MS, MAX_MS), false)
  t.equal(catchUp.isCatchingUp(1, 0), false, 'never, with 0')
  catchUp.peerAway(1)
  t.equal(catchUp.isCatchingUp(1, MAX_MS), false, 'a peer that is away is not waited for')
  catchUp.peerLive(1, 70_000, WALL_MS + 70_000)
  t.equal(catchUp.isCatchingUp(70_001, MAX_MS), true, 'what it said before is old')
})

t.test('H1 a peer that only now finds out what it holds counts from then on', async (t) => {
  const catchUp = new CatchUp()
  catchUp.peerLive(1, 0, WALL_MS + 0)
  catchUp.peerHolds(1, 0, 10, WALL_MS + 10)
  catchUp.peerHolds(1, 7, 100_000, WALL_MS + 100_000)
  t.equal(catchUp.isCatchingUp(100_001, MAX_MS), true)
  catchUp.peerHolds(1, 9, 150_000, WALL_MS + 150_000)
  t.equal(catchUp.isCatchingUp(160_000, MAX_MS), false)
  catchUp.peerHolds(3, 9, 150_000, WALL_MS + 150_000)
  t.equal(catchUp.isCatchingUp(160_000, MAX_MS), false, 'who is not live is not heard')
})

t.test('H1 one complete exchange with a peer, begun since, ends waiting for it', async (t) => {
  const catchUp = new CatchUp()
  catchUp.peerLive(1, 0, WALL_MS)
  catchUp.peerLive(2, 0, WALL_MS)
  catchUp.peerHolds(1, 5, 10, WALL_MS + 10)
  catchUp.peerHolds(2, 0, 10, WALL_MS + 10)
  catchUp.peerExchanged(1, 0)
  catchUp.peerExchanged(1, WALL_MS)
  t.same(catchUp.waitedFor(20, MAX_MS), [1], 'none was, or it was begun before')
  catchUp.peerExchanged(2, WALL_MS + 5)
  t.same(catchUp.waitedFor(20, MAX_MS), [1], 'with another one')
  catchUp.peerExchanged(1, WALL_MS + 5)
  t.equal(catchUp.isCatchingUp(20, MAX_MS), false)
  catchUp.peerHolds(1, 4, 30, WALL_MS + 30)
  t.equal(catchUp.isCatchingUp(30, MAX_MS), false, 'what it still holds is here')
  catchUp.peerHolds(1, 0, 40, WALL_MS + 40)
  catchUp.peerHolds(1, 3, 50, WALL_MS + 50)
  catchUp.peerExchanged(1, WALL_MS + 5)
  t.equal(catchUp.isCatchingUp(60, MAX_MS), true, 'it has begun to hold something since')
  catchUp.peerExchanged(3, WALL_MS + 90)
  t.same(catchUp.waitedFor(60, MAX_MS), [1], 'who is not live is not waited for anyway')
})

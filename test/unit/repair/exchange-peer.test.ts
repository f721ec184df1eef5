/** What asking another replica comes to when it cannot be asked, or does not answer. */
import t from 'tap'
import type { PeerLink } from '../../../src/link/peer-link.js'
import { PUSH, VIEW } from '../../../src/repair/exchange-messages.js'
import { ExchangeError, ExchangePeer, LINK_FULL } from '../../../src/repair/exchange-peer.js'
import { SimEnv } from '../../../src/sim/sim-env.js'

const MINUTE_MS = 60_000

/** A link that never has room. */
function fullLink(): PeerLink {
  return { isOpen: true, begin: () => -1, bytes: Buffer.alloc(0) } as unknown as PeerLink
}

t.test('a question for which the link never has room ends, and says why', async (t) => {
  const env = SimEnv.fromSeed('full link')
  const peer = new ExchangePeer(env.clock, fullLink)
  let ended: unknown = null
  peer.ask(PUSH, Buffer.alloc(100)).catch((error: unknown) => (ended = error))
  for (let ms = 0; ms < MINUTE_MS && ended === null; ms += 20) {
    env.queue.advanceSync(20)
    await Promise.resolve()
  }
  t.ok(ended instanceof ExchangeError)
  t.equal((ended as ExchangeError).status, LINK_FULL)
})

t.test('a question without a link, and one that is not answered, end', async (t) => {
  const env = SimEnv.fromSeed('no link')
  const closed = { isOpen: false, begin: () => -1 } as unknown as PeerLink
  await t.rejects(new ExchangePeer(env.clock, () => closed).ask(VIEW, Buffer.alloc(0)), /there is no link/)

  const silent = {
    isOpen: true,
    begin: () => 0,
    end: () => 1,
    bytes: Buffer.alloc(200),
  } as unknown as PeerLink
  const asked = new ExchangePeer(env.clock, () => silent).ask(VIEW, Buffer.alloc(0))
  await Promise.resolve()
  env.queue.advanceSync(MINUTE_MS)
  await t.rejects(asked, /no answer came/)
})

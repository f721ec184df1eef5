/** The handshake as a function of frames: who gets in, and what does not help to. */
import t from 'tap'
import {
  CHALLENGE,
  challengeFrame,
  HANDSHAKE_HEADER_BYTES,
  openFrame,
  parseChallenge,
  parseOpen,
  parseRefuse,
  proofFrame,
  PROOF,
  refuseFrame,
  OPEN,
  REFUSE,
} from '../../../src/link/handshake-frame.js'
import { Handshake } from '../../../src/link/handshake.js'
import type { HandshakeOptions, HandshakeStep } from '../../../src/link/handshake.js'
import { secretMac } from '../../../src/env/secret.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

const VERSIONS = { min: 1, max: 3 }

function handshake(role: 'dialer' | 'listener', options: Partial<HandshakeOptions> = {}): Handshake {
  const random = new SimRandom(`${role} ${JSON.stringify(options)}`)
  const nodeId = role === 'dialer' ? 'node-a' : 'node-b'
  return new Handshake({
    role,
    secret: 'secret',
    nodeId,
    expectedNodeId: null,
    versions: VERSIONS,
    random,
    ...options,
  })
}

function give(to: Handshake, frame: Buffer): HandshakeStep {
  return to.receive(frame[2], frame)
}

/** Runs both sides to their end; answers what each ended with. */
function run(dialer: Handshake, listener: Handshake): [dialer: HandshakeStep, listener: HandshakeStep] {
  let listenerStep = give(listener, dialer.begin())
  let dialerStep = give(dialer, listenerStep.send)
  if (dialerStep.kind === 'wait') {
    listenerStep = give(listener, dialerStep.send)
    dialerStep = give(dialer, listenerStep.send)
  }
  return [dialerStep, listenerStep]
}

function reason(step: HandshakeStep): string {
  return step.kind === 'refused' ? step.reason : step.kind
}

t.test('two nodes with one secret agree on version, names and seeds', async (t) => {
  const [a, b] = run(handshake('dialer'), handshake('listener', { versions: { min: 2, max: 9 } }))
  if (a.kind !== 'done' || b.kind !== 'done') throw new Error('both are done')
  t.equal(a.result.version, 3, 'the highest common version')
  t.equal(b.result.version, 3)
  t.equal(a.result.peerId, 'node-b')
  t.equal(b.result.peerId, 'node-a')
  t.equal(a.result.sendSeed, b.result.receiveSeed)
  t.equal(a.result.receiveSeed, b.result.sendSeed)
  t.not(a.result.sendSeed, a.result.receiveSeed)
})

t.test('without a secret on both sides it works, on one side not', async (t) => {
  t.same(run(handshake('dialer', { secret: '' }), handshake('listener', { secret: '' })).map(reason), [
    'done',
    'done',
  ])
  t.same(run(handshake('dialer'), handshake('listener', { secret: '' })).map(reason), ['secret', 'secret'])
  t.same(run(handshake('dialer', { secret: '' }), handshake('listener')).map(reason), ['secret', 'secret'])
})

t.test('a listener that does not know the secret is found out as well', async (t) => {
  const dialer = handshake('dialer')
  const listener = handshake('listener')
  const proof = give(dialer, give(listener, dialer.begin()).send)
  t.equal(proof.kind, 'wait')
  t.equal(reason(give(dialer, proofFrame(Buffer.alloc(32)))), 'secret')
})

t.test('without a common version both ranges are named on both sides', async (t) => {
  const [a, b] = run(handshake('dialer'), handshake('listener', { versions: { min: 4, max: 5 } }))
  t.equal(reason(b), 'version')
  t.equal(reason(a), 'version')
  t.match(b, { detail: 'no common version: here 4 to 5, there 1 to 3' })
  t.match(a, { detail: /here 4 to 5, there 1 to 3.*its versions: 4 to 5/ })
})

t.test('a chosen version that was not offered is refused', async (t) => {
  const dialer = handshake('dialer')
  dialer.begin()
  const lower = challengeFrame({ version: 4, nonce: Buffer.alloc(32), nodeId: 'node-b' })
  t.equal(reason(give(dialer, lower)), 'version')
})

t.test('nobody in between can lower the version, or change anything else', async (t) => {
  for (let flipped = 0; flipped < 60; flipped++) {
    const dialer = handshake('dialer')
    const listener = handshake('listener')
    const open = Buffer.from(dialer.begin())
    // Everything of OPEN behind its header and magic.
    const at = Math.min(open.length - 1, HANDSHAKE_HEADER_BYTES + 8 + flipped)
    open[at] ^= 2
    const challenge = give(listener, open)
    if (challenge.kind === 'refused') continue
    const proof = give(dialer, challenge.send)
    t.equal(reason(give(listener, proof.send)), 'secret', `byte ${at}`)
  }
})

t.test('a proof that was heard once opens nothing later', async (t) => {
  const dialer = handshake('dialer')
  const listener = handshake('listener')
  const open = dialer.begin()
  const proof = give(dialer, give(listener, open).send).send
  t.equal(reason(give(listener, proof)), 'done')
  const again = handshake('listener', { random: new SimRandom('another nonce') })
  give(again, open)
  t.equal(reason(give(again, proof)), 'secret')
})

t.test('a proof does not open the other direction', async (t) => {
  // A stranger dials B, and answers B's challenge with what B itself says as a dialer to the stranger.
  const victim = handshake('listener')
  const victimDials = handshake('dialer', { nodeId: 'node-b', expectedNodeId: null })
  const open = openFrame({ versions: VERSIONS, nonce: Buffer.alloc(32, 1), nodeId: 'node-a' })
  const challenge = give(victim, open).send
  victimDials.begin()
  const parsed = parseChallenge(challenge.subarray(HANDSHAKE_HEADER_BYTES))
  if (parsed === null) throw new Error('the victim answers with a challenge')
  const reflected = challengeFrame({ version: 3, nonce: parsed.nonce, nodeId: 'node-a' })
  const proof = give(victimDials, reflected)
  t.equal(proof.kind, 'wait')
  t.equal(reason(give(victim, proof.send)), 'secret')
})

t.test('the listener’s own proof cannot be had before the dialer’s, nor used as one', async (t) => {
  const listener = handshake('listener')
  t.equal(listener.expects, OPEN)
  const dialer = handshake('dialer')
  const open = dialer.begin()
  const challenge = give(listener, open).send
  t.equal(challenge[2], CHALLENGE)
  // What the listener would prove itself with: another role's name, another MAC.
  const length = Buffer.from([open.length, 0])
  const ofListener = secretMac('secret', [Buffer.from('kindred link listener 1\0'), length, open, challenge])
  t.equal(reason(give(listener, proofFrame(ofListener))), 'secret')
})

t.test('a node that reaches itself says so', async (t) => {
  const [a, b] = run(handshake('dialer', { nodeId: 'same' }), handshake('listener', { nodeId: 'same' }))
  t.equal(reason(b), 'self')
  t.equal(reason(a), 'self')
  t.match(b, { detail: 'node same dialed itself' })
})

t.test('another node than expected is refused with both names', async (t) => {
  const [a] = run(handshake('dialer', { expectedNodeId: 'node-x' }), handshake('listener'))
  t.match(a, { reason: 'other-node', detail: 'expected node node-x, node-b answers' })
})

t.test('frames that are not exactly what they should be are no frames', async (t) => {
  const nonce = Buffer.alloc(32, 7)
  const open = openFrame({ versions: VERSIONS, nonce, nodeId: 'n' }).subarray(HANDSHAKE_HEADER_BYTES)
  const challenge = challengeFrame({ version: 1, nonce, nodeId: 'n' }).subarray(HANDSHAKE_HEADER_BYTES)
  t.match(parseOpen(open), { nodeId: 'n', versions: VERSIONS })
  t.match(parseChallenge(challenge), { nodeId: 'n', version: 1 })
  for (const [parse, body] of [
    [parseOpen, open],
    [parseChallenge, challenge],
  ] as const) {
    for (let length = 0; length < body.length; length++) t.equal(parse(body.subarray(0, length)), null)
    t.equal(parse(Buffer.concat([body, Buffer.alloc(1)])), null)
    t.equal(parse(Buffer.concat([Buffer.from('X'), body.subarray(1)])), null)
    const control = Buffer.from(body)
    control[control.length - 1] = 0x0a
    t.equal(parse(control), null, 'a name that would spoil the log')
  }
  t.equal(parseRefuse(Buffer.alloc(4)), null)
  t.match(parseRefuse(refuseFrame({ reason: 'self', versions: VERSIONS, text: 'a\nb' }).subarray(3)), {
    reason: 'self',
    text: 'a b',
  })
  t.equal([OPEN, CHALLENGE, PROOF, REFUSE].length, new Set([OPEN, CHALLENGE, PROOF, REFUSE]).size)
})

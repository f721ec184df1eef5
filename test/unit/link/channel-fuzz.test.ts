/**
 * A peer that knows the secret and sends anything: frames with the right checksum and the wrong content. Nothing throws, nothing is
 * allocated for what was only declared, and the connection closes once, with a reason.
 */
import fc from 'fast-check'
import t from 'tap'
import type { Stream } from '../../../src/env/network.js'
import { Channel } from '../../../src/link/channel.js'
import type { ChannelOwner, ChannelRole } from '../../../src/link/channel.js'
import type { CloseReason } from '../../../src/link/close-reason.js'
import { FRAME_HEADER_BYTES, HELLO, PIECE, sealFrame } from '../../../src/link/frame-format.js'
import { Handshake } from '../../../src/link/handshake.js'
import { writeHello } from '../../../src/link/hello.js'
import { writePieceHeader } from '../../../src/link/large-message.js'
import { LINK_DEFAULTS } from '../../../src/link/link-node.js'
import { OutgoingBuffers } from '../../../src/link/outgoing-buffers.js'
import { EventQueue } from '../../../src/sim/event-queue.js'
import { SimClock } from '../../../src/sim/sim-clock.js'
import { SimLog } from '../../../src/sim/sim-log.js'
import { SimNetwork } from '../../../src/sim/sim-network.js'
import { SimRandom } from '../../../src/sim/sim-random.js'
import { TestNode } from './link-world.js'

const SETTINGS = { ...LINK_DEFAULTS, secret: 's', messageBytesMax: 1_000_000 }

class Owner implements ChannelOwner {
  readonly reasons: CloseReason[] = []
  messages = 0
  opened = 0
  onHeard(): void {}
  onHello(): null {
    return null
  }
  onOpen(): void {
    this.opened++
  }
  onMessage(): void {
    this.messages++
  }
  onRefused(): void {}
  onAcked(): void {}
  onPing(): boolean {
    return true
  }
  onSealed(): void {}
  onClosed(_channel: Channel, reason: CloseReason): void {
    this.reasons.push(reason)
  }
}

/** A channel whose peer is the test: `send` gives it a frame, after the handshake; `hello` says whether the HELLO was sent. */
function channel(role: ChannelRole, hello = true) {
  const random = new SimRandom(role)
  const queue = new EventQueue(random)
  const clock = new SimClock(queue)
  const env = {
    clock,
    random,
    log: new SimLog(),
    network: new SimNetwork({ random, queue }).host('a', clock),
  }
  const said: Buffer[] = []
  const socket = { takes: true }
  const stream: Stream = {
    remoteAddress: 'peer',
    remotePort: 1,
    localAddress: 'here',
    localPort: 2,
    write: (bytes, start, end) => {
      said.push(Buffer.from(bytes.subarray(start, end)))
      return socket.takes
    },
    unsentBytes: () => 0,
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => {},
  }
  const owner = new Owner()
  const context = { env, node: new TestNode('here', 1), settings: SETTINGS, buffers: new OutgoingBuffers() }
  const tested = new Channel(role, stream, context, owner, null)
  const peerRole = role === 'dialer' ? 'listener' : 'dialer'
  const { versions, secret } = SETTINGS
  const peer = new Handshake({
    role: peerRole,
    secret,
    nodeId: 'peer',
    expectedNodeId: null,
    versions,
    random: new SimRandom('peer'),
  })
  let seed = 0
  const give = (bytes: Buffer): void => tested.onBytes(bytes, bytes.length)
  const step = (): void => {
    const whole = said.shift() as Buffer
    const next = peer.receive(whole[2], whole)
    if (next.kind === 'done') seed = next.result.sendSeed
    if (next.send.length > 0) give(next.send)
  }
  if (role === 'dialer') tested.begin()
  else give(peer.begin())
  step()
  step()
  const send = (type: number, sequence: number, body: Uint8Array): void => {
    const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), body])
    sealFrame(bytes, 0, bytes.length, type, sequence, 7, seed)
    give(bytes)
  }
  if (hello) send(HELLO, 0, helloBody())
  return { tested, owner, send, socket }
}

function helloBody(): Buffer {
  const bytes = Buffer.alloc(100)
  const hello = { bootId: 1, flushMark: 2, ringVersion: 'r', state: Buffer.from('state') }
  return bytes.subarray(0, writeHello(bytes, 0, hello))
}

/** Bodies that begin as sound ones do come further than noise. */
const body = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  // Messages of a batch.
  fc
    .array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 })
    .map((messages) =>
      Buffer.concat(messages.flatMap((bytes) => [Buffer.from([1, bytes.length, 0, 0]), Buffer.from(bytes)])),
    ),
  // The head of a piece.
  fc
    .tuple(fc.integer({ min: 0, max: 2_000_000 }), fc.integer({ min: 0, max: 70_000 }))
    .map(([total, bytes]) => {
      const piece = Buffer.alloc(12 + bytes)
      writePieceHeader(piece, 0, 1, total, 0)
      return piece
    }),
  fc.constant(helloBody()),
)
const anyFrame = fc.record({
  type: fc.integer({ min: 0, max: 9 }),
  sequence: fc.integer({ min: 0, max: 4 }),
  body,
})

for (const role of ['listener', 'dialer'] as const) {
  for (const hello of [true, false]) {
    t.test(
      `${role}: whatever comes ${hello ? 'after' : 'instead of'} the HELLO closes it once, or is taken`,
      async (t) => {
        const reasons = new Set<CloseReason>()
        let messages = 0
        fc.assert(
          fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 8 }), (all) => {
            const { tested, owner, send } = channel(role, hello)
            let sent = 0
            for (const { type, sequence, body } of all) {
              send(type, sequence, body)
              sent += body.length
              if (tested.heldBytes > Math.max(4096, 2 * sent)) throw new Error('more is held than came')
            }
            for (const reason of owner.reasons) reasons.add(reason)
            if (owner.reasons.length > 1) throw new Error('closed twice')
            if ((tested.state === 'closed') !== (owner.reasons.length === 1)) throw new Error('closed unsaid')
            if (owner.opened === 0 && owner.messages > 0) throw new Error('a message came before the HELLO')
            messages += owner.messages
          }),
          { numRuns: 400 },
        )
        t.ok(reasons.has('malformed'))
        if (hello) {
          t.ok(reasons.has('sequence') && reasons.has('refused-by-peer'), [...reasons].join())
          t.ok(messages > 0, 'some were messages')
        }
      },
    )
  }
}

t.test('a piece declares what it likes: no more is held than twice what came', async (t) => {
  const { tested, owner, send } = channel('listener')
  const piece = Buffer.alloc(12 + 1000)
  writePieceHeader(piece, 0, 1, 1_000_000, 0)
  send(PIECE, 1, piece)
  t.same(owner.reasons, [])
  t.ok(tested.heldBytes <= 2000)
  const next = Buffer.alloc(12 + 1000)
  writePieceHeader(next, 0, 1, 1_000_000, 999)
  send(PIECE, 1, next)
  t.same(owner.reasons, ['malformed'], 'a piece continues where the last one ended')
  const other = channel('listener')
  writePieceHeader(piece, 0, 1, SETTINGS.messageBytesMax + 1, 0)
  other.send(PIECE, 1, piece)
  t.same(other.owner.reasons, ['malformed'], 'beyond the largest message')
})

t.test('L2 an ack of what was never sent closes the link', async (t) => {
  for (const [watermark, refused] of [
    [1, 0],
    [0, 1],
  ]) {
    const { owner, send } = channel('dialer')
    const ack = Buffer.alloc(refused === 0 ? 8 : 16)
    ack[0] = watermark
    if (refused > 0) ack[8] = refused
    send(4, 0, ack)
    t.same(owner.reasons, ['sequence'])
  }
})

t.test(
  'a peer that talks and never reads loses its connection; one that reads slowly does not',
  async (t) => {
    for (const reads of [false, true]) {
      const { tested, owner, socket } = channel('listener')
      socket.takes = false
      for (let nowMs = 0; nowMs <= 10_000; nowMs += 100) {
        tested.outbox.end(tested.outbox.begin(1, 0))
        tested.outbox.flush()
        tested.lastHeardMs = nowMs
        tested.tick(nowMs)
        if (reads && nowMs % 4000 === 0) tested.onDrain()
      }
      t.same(owner.reasons, reads ? [] : ['not-reading'])
    }
  },
)

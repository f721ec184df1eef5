/**
 * The handshake: both sides prove that they know the cluster's secret before anything else is read. Pure but for the random
 * nonce: frames in, frames out.
 *
 *     dialer                          listener
 *     OPEN(versions, nonce, id)  ->                            itself? no common version? REFUSE
 *                                <-   CHALLENGE(version, nonce, id)
 *     PROOF                      ->                            wrong? REFUSE
 *                                <-   PROOF
 *
 *     proof := HMAC-SHA256(secret, role || length u16 of OPEN || OPEN || CHALLENGE)      both frames whole
 *     role  := "kindred link dialer 1\0" or "kindred link listener 1\0"
 *
 * A proof covers both nonces, both node ids, what versions were offered and which was chosen, and the role: it fits no other
 * connection (replay), not the other direction (reflection), and nobody in between can lower the version. The
 * dialer proves itself first, so a stranger who connects gets nothing that is computed from the secret. A stranger who
 * is dialed does get a proof and may try secrets against it at leisure: hence the advice for long random ones.
 *
 * What it does not do: later frames carry no MAC, so whoever can change packets on the way can take over a link that is open.
 * That is TLS's task. The first four bytes of the two proofs seed the checksums of the frames in the two directions, so that
 * frames of another connection or direction do not pass for this one's by mistake.
 */
import type { Random } from '../env/random.js'
import { isSameMac, secretMac } from '../env/secret.js'
import { readI32, writeU16, writeU48 } from '../util/bytes.js'
import type { CloseReason } from './close-reason.js'
import {
  CHALLENGE,
  challengeFrame,
  HANDSHAKE_HEADER_BYTES,
  NONCE_BYTES,
  OPEN,
  openFrame,
  parseChallenge,
  parseOpen,
  parseRefuse,
  PROOF,
  proofFrame,
  REFUSE,
  refuseFrame,
} from './handshake-frame.js'
import type { Versions } from './handshake-frame.js'

/** What this build speaks. */
export const LINK_VERSIONS: Versions = { min: 1, max: 1 }

export interface HandshakeOptions {
  readonly role: 'dialer' | 'listener'
  /** Empty when every node binds to loopback and none is set. */
  readonly secret: string
  readonly nodeId: string
  /** Dialer: who has to answer; null for whoever does. */
  readonly expectedNodeId: string | null
  readonly versions: Versions
  readonly random: Random
}

export interface HandshakeResult {
  readonly version: number
  readonly peerId: string
  /** Seeds of the frames' checksums. */
  readonly sendSeed: number
  readonly receiveSeed: number
}

/** What to do after a frame; `send` goes out first. */
export type HandshakeStep =
  | { readonly kind: 'wait'; readonly send: Buffer }
  | { readonly kind: 'done'; readonly send: Buffer; readonly result: HandshakeResult }
  | {
      readonly kind: 'refused'
      readonly send: Buffer
      readonly reason: CloseReason
      readonly detail: string
    }

const NOTHING = Buffer.alloc(0)
const DIALER_ROLE = Buffer.from('kindred link dialer 1\0', 'latin1')
const LISTENER_ROLE = Buffer.from('kindred link listener 1\0', 'latin1')

export class Handshake {
  /** The one frame type, besides REFUSE, that may come next. */
  expects: number
  readonly #options: HandshakeOptions
  #open: Buffer = NOTHING
  #challenge: Buffer = NOTHING
  #peerId = ''
  #version = 0
  #dialerProof: Buffer = NOTHING

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.expects = options.role === 'dialer' ? CHALLENGE : OPEN
  }

  /** The peer's claim; '' before it made one. Proved only once the handshake is done. */
  get claimedPeerId(): string {
    return this.#peerId
  }

  /** The dialer's first bytes. */
  begin(): Buffer {
    const { versions, nodeId, random } = this.#options
    this.#open = openFrame({ versions, nonce: nonce(random), nodeId })
    return this.#open
  }

  /** Takes one frame, `whole` with its header; `type` is `expects` or REFUSE. */
  receive(type: number, whole: Buffer): HandshakeStep {
    const body = whole.subarray(HANDSHAKE_HEADER_BYTES)
    if (type === REFUSE) return this.#refusedByPeer(body)
    if (type === OPEN) return this.#onOpen(whole, body)
    if (type === CHALLENGE) return this.#onChallenge(whole, body)
    return this.#options.role === 'listener' ? this.#onDialerProof(body) : this.#onListenerProof(body)
  }

  #onOpen(whole: Buffer, body: Buffer): HandshakeStep {
    const { versions, nodeId, random } = this.#options
    const open = parseOpen(body)
    if (open === null) return this.#refuse('garbage', 'this is a peer port of Kindred', false)
    this.#peerId = open.nodeId
    if (open.nodeId === nodeId) return this.#refuse('self', `node ${nodeId} dialed itself`)
    const version = Math.min(versions.max, open.versions.max)
    if (version < Math.max(versions.min, open.versions.min)) {
      return this.#refuse('version', versionText(versions, open.versions))
    }
    this.#version = version
    this.#open = Buffer.from(whole)
    this.#challenge = challengeFrame({ version, nonce: nonce(random), nodeId })
    this.expects = PROOF
    return { kind: 'wait', send: this.#challenge }
  }

  #onChallenge(whole: Buffer, body: Buffer): HandshakeStep {
    const { versions, nodeId, expectedNodeId } = this.#options
    const challenge = parseChallenge(body)
    if (challenge === null) return this.#refuse('garbage', 'what answers is no peer of Kindred', false)
    this.#peerId = challenge.nodeId
    this.#version = challenge.version
    if (challenge.nodeId === nodeId) return this.#refuse('self', `node ${nodeId} dialed itself`)
    if (expectedNodeId !== null && challenge.nodeId !== expectedNodeId) {
      return this.#refuse('other-node', `expected node ${expectedNodeId}, ${challenge.nodeId} answers`)
    }
    if (challenge.version < versions.min || challenge.version > versions.max) {
      const chosen = { min: challenge.version, max: challenge.version }
      return this.#refuse('version', versionText(versions, chosen))
    }
    this.#challenge = Buffer.from(whole)
    this.#dialerProof = this.#proof(DIALER_ROLE)
    this.expects = PROOF
    return { kind: 'wait', send: proofFrame(this.#dialerProof) }
  }

  #onDialerProof(body: Buffer): HandshakeStep {
    const theirs = this.#proof(DIALER_ROLE)
    if (!isSameMac(theirs, body)) return this.#refuse('secret', 'the cluster secrets differ')
    const ours = this.#proof(LISTENER_ROLE)
    return { kind: 'done', send: proofFrame(ours), result: this.#result(ours, theirs) }
  }

  #onListenerProof(body: Buffer): HandshakeStep {
    const theirs = this.#proof(LISTENER_ROLE)
    if (!isSameMac(theirs, body)) return this.#refuse('secret', 'the cluster secrets differ')
    return { kind: 'done', send: NOTHING, result: this.#result(this.#dialerProof, theirs) }
  }

  #result(ours: Buffer, theirs: Buffer): HandshakeResult {
    return {
      version: this.#version,
      peerId: this.#peerId,
      sendSeed: readI32(ours, 0),
      receiveSeed: readI32(theirs, 0),
    }
  }

  #proof(role: Buffer): Buffer {
    const length = Buffer.alloc(2)
    writeU16(length, 0, this.#open.length)
    return secretMac(this.#options.secret, [role, length, this.#open, this.#challenge])
  }

  #refusedByPeer(body: Buffer): HandshakeStep {
    const refusal = parseRefuse(body)
    if (refusal === null) return this.#refuse('garbage', 'what answers is no peer of Kindred', false)
    const { reason, text, versions } = refusal
    const range = reason === 'version' ? ` (its versions: ${rangeText(versions)})` : ''
    return {
      kind: 'refused',
      send: NOTHING,
      reason: reason === 'lost' ? 'refused-by-peer' : reason,
      detail: `the peer refused: ${text}${range}`,
    }
  }

  #refuse(reason: CloseReason, detail: string, says = true): HandshakeStep {
    const { versions } = this.#options
    const send = says ? refuseFrame({ reason, versions, text: detail }) : NOTHING
    return { kind: 'refused', send, reason, detail }
  }
}

function versionText(ours: Versions, theirs: Versions): string {
  return `no common version: here ${rangeText(ours)}, there ${rangeText(theirs)}`
}

function rangeText({ min, max }: Versions): string {
  return `${min} to ${max}`
}

/** 32 random bytes, six of each draw of 53 bits. */
function nonce(random: Random): Buffer {
  const bytes = Buffer.alloc(NONCE_BYTES + 6)
  for (let at = 0; at < NONCE_BYTES; at += 6) writeU48(bytes, at, random.next53() % 2 ** 48)
  return bytes.subarray(0, NONCE_BYTES)
}

/**
 * The frames of the handshake, which are all that is read from somebody who has not proved to know the secret:
 *
 *     frame     := length u16 (of the body, 1024 at most)   type u8   body
 *     OPEN      := "KNDRLINK"  versionMin u16  versionMax u16  nonce[32]  nodeId
 *     CHALLENGE := "KNDRLINK"  version u16  nonce[32]  nodeId
 *     PROOF     := mac[32]                                            first the dialer's, then the listener's
 *     REFUSE    := reason u8  versionMin u16  versionMax u16  text
 *     nodeId    := length u8  UTF-8 of 1 to 64 bytes                  text := UTF-8 to the body's end, 512 bytes at most
 *
 * Parsing answers null for whatever is not exactly that, bytes left over included.
 */
import { assert } from '../util/assert.js'
import { readU16, writeU16 } from '../util/bytes.js'
import { MAC_BYTES } from '../env/secret.js'
import { closeCode, closeReasonOf } from './close-reason.js'
import type { CloseReason } from './close-reason.js'
import { HANDSHAKE_FRAME_BYTES_MAX, NODE_ID_BYTES_MAX, REASON_BYTES_MAX } from './limits.js'

export const OPEN = 0x4f
export const CHALLENGE = 0x43
export const PROOF = 0x50
export const REFUSE = 0x52

export const HANDSHAKE_HEADER_BYTES = 3
export const NONCE_BYTES = 32

const MAGIC = Buffer.from('KNDRLINK', 'latin1')

export interface Versions {
  readonly min: number
  readonly max: number
}

export interface OpenFrame {
  readonly versions: Versions
  readonly nonce: Buffer
  readonly nodeId: string
}

export interface ChallengeFrame {
  readonly version: number
  readonly nonce: Buffer
  readonly nodeId: string
}

export interface RefuseFrame {
  readonly reason: CloseReason
  readonly versions: Versions
  readonly text: string
}

/** Whether a handshake frame may begin like this: judged before a byte of it is kept. */
export function handshakeHeaderIsSound(bytes: Uint8Array, at: number, expected: number): boolean {
  const type = bytes[at + 2]
  return readU16(bytes, at) <= HANDSHAKE_FRAME_BYTES_MAX && (type === expected || type === REFUSE)
}

export function openFrame({ versions, nonce, nodeId }: OpenFrame): Buffer {
  return frame(OPEN, [MAGIC, u16(versions.min), u16(versions.max), nonce, idBytes(nodeId)])
}

export function parseOpen(body: Buffer): OpenFrame | null {
  const at = MAGIC.length + 4 + NONCE_BYTES
  const nodeId = parseId(body, at)
  if (nodeId === null || !startsWithMagic(body)) return null
  const versions = { min: readU16(body, MAGIC.length), max: readU16(body, MAGIC.length + 2) }
  if (versions.min > versions.max) return null
  return { versions, nonce: Buffer.from(body.subarray(at - NONCE_BYTES, at)), nodeId }
}

export function challengeFrame({ version, nonce, nodeId }: ChallengeFrame): Buffer {
  return frame(CHALLENGE, [MAGIC, u16(version), nonce, idBytes(nodeId)])
}

export function parseChallenge(body: Buffer): ChallengeFrame | null {
  const at = MAGIC.length + 2 + NONCE_BYTES
  const nodeId = parseId(body, at)
  if (nodeId === null || !startsWithMagic(body)) return null
  const nonce = Buffer.from(body.subarray(at - NONCE_BYTES, at))
  return { version: readU16(body, MAGIC.length), nonce, nodeId }
}

export function proofFrame(mac: Buffer): Buffer {
  assert(mac.length === MAC_BYTES, 'a proof is a MAC')
  return frame(PROOF, [mac])
}

export function refuseFrame({ reason, versions, text }: RefuseFrame): Buffer {
  const code = Buffer.from([closeCode(reason)])
  return frame(REFUSE, [code, u16(versions.min), u16(versions.max), shortText(text)])
}

export function parseRefuse(body: Buffer): RefuseFrame | null {
  if (body.length < 5 || body.length > 5 + REASON_BYTES_MAX) return null
  const versions = { min: readU16(body, 1), max: readU16(body, 3) }
  return { reason: closeReasonOf(body[0]), versions, text: printable(body.toString('utf8', 5)) }
}

/** A reason's text as bytes, cut to what a frame of it may hold. */
export function shortText(text: string): Buffer {
  return Buffer.from(text, 'utf8').subarray(0, REASON_BYTES_MAX)
}

/** What a peer wrote, for a log line: one line of it. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

function frame(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  assert(body.length <= HANDSHAKE_FRAME_BYTES_MAX, 'a handshake frame is small')
  return Buffer.concat([u16(body.length), Buffer.from([type]), body])
}

function startsWithMagic(body: Buffer): boolean {
  return body.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) === 0
}

function idBytes(nodeId: string): Buffer {
  const id = Buffer.from(nodeId, 'utf8')
  assert(id.length >= 1 && id.length <= NODE_ID_BYTES_MAX, 'a node id has 1 to 64 bytes')
  return Buffer.concat([Buffer.from([id.length]), id])
}

/** The node id that the rest of the body from `at` is. */
function parseId(body: Buffer, at: number): string | null {
  if (body.length <= at + 1) return null
  const length = body[at]
  if (length === 0 || length > NODE_ID_BYTES_MAX || body.length !== at + 1 + length) return null
  const id = body.toString('utf8', at + 1)
  return id === printable(id) && Buffer.byteLength(id, 'utf8') === length ? id : null
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  writeU16(bytes, 0, value)
  return bytes
}

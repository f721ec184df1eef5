/**
 * The HELLO: the first frame in each direction once both have proved themselves, and the only one that is taken first. What a
 * user must know of a peer before it hears any message of it, the flush mark above all (RULES P4).
 *
 *     body := bootId u53, zero u8   flushMark u53, zero u8   ringVersion: length u8, UTF-8   state: length u16, bytes
 *
 * The node id was proved in the handshake, and the sender's HLC stands in the frame's header.
 */
import { assert } from '../util/assert.js'
import { readU16, readU53, writeU16, writeU53 } from '../util/bytes.js'
import { printable } from './handshake-frame.js'
import { HELLO_STATE_BYTES_MAX, RING_VERSION_BYTES_MAX } from './limits.js'

export interface Hello {
  readonly nodeId: string
  /** Random, another one at each start of the node. */
  readonly bootId: number
  /** Highest FLUSHALL mark (an HLC) that the node knows of; 0 for none. */
  readonly flushMark: number
  readonly ringVersion: string
  readonly hlc: number
  /** For the link's users; opaque here. */
  readonly state: Buffer
}

const FIXED_BYTES = 16

/** Writes the body at `at`; answers its end. */
export function writeHello(bytes: Buffer, at: number, hello: Omit<Hello, 'nodeId' | 'hlc'>): number {
  const ring = Buffer.from(hello.ringVersion, 'utf8')
  assert(ring.length <= RING_VERSION_BYTES_MAX, 'a ring version has at most 128 bytes')
  assert(hello.state.length <= HELLO_STATE_BYTES_MAX, 'the state of a HELLO is bounded')
  bytes.fill(0, at, at + FIXED_BYTES)
  writeU53(bytes, at, hello.bootId)
  writeU53(bytes, at + 8, hello.flushMark)
  let end = at + FIXED_BYTES
  bytes[end++] = ring.length
  end += ring.copy(bytes, end)
  writeU16(bytes, end, hello.state.length)
  return end + 2 + hello.state.copy(bytes, end + 2)
}

/** Null when bytes[start, end) is no HELLO. */
export function parseHello(
  bytes: Buffer,
  start: number,
  end: number,
  nodeId: string,
  hlc: number,
): Hello | null {
  const ringAt = start + FIXED_BYTES + 1
  if (end < ringAt + 2 || !isU53(bytes, start) || !isU53(bytes, start + 8)) return null
  const ringLength = bytes[ringAt - 1]
  const stateAt = ringAt + ringLength + 2
  if (ringLength > RING_VERSION_BYTES_MAX || stateAt > end) return null
  const stateLength = readU16(bytes, stateAt - 2)
  if (stateLength > HELLO_STATE_BYTES_MAX || stateAt + stateLength !== end) return null
  return {
    nodeId,
    bootId: readU53(bytes, start),
    flushMark: readU53(bytes, start + 8),
    ringVersion: printable(bytes.toString('utf8', ringAt, ringAt + ringLength)),
    hlc,
    state: Buffer.from(bytes.subarray(stateAt, end)),
  }
}

function isU53(bytes: Buffer, at: number): boolean {
  return bytes[at + 6] < 0x20 && bytes[at + 7] === 0
}

/**
 * Pings and pongs: proof of life, wall clocks (RULES C1), fitness (H1) and a little state of the users'.
 *
 *     body := token u53, zero u8    PING: the sender's monotonic clock in microseconds; PONG: the same, handed back
 *             wall u48              the sender's wall clock in milliseconds since 1970, when it was sent
 *             fitness u8            flags, see below; 0 is fit
 *             state: length u16, bytes
 */
import { assert } from '../util/assert.js'
import { readU16, readU48, readU53, writeU16, writeU48, writeU53 } from '../util/bytes.js'
import { PING_STATE_BYTES_MAX } from './limits.js'

/** Why a node should not be home (RULES H1). */
export const CLOCK_IN_DOUBT = 1
export const LOG_NOT_WRITABLE = 2
export const DISK_FULL = 4
export const CATCHING_UP = 8
/** It is about to leave in order. */
export const STOPPING = 16
/** It reaches no majority of the members, though others may reach it: writes that it coordinated would not succeed. */
export const ISOLATED = 32

const TOKEN_AT = 0
const WALL_AT = 8
const FITNESS_AT = 14
const STATE_LENGTH_AT = 15
export const PING_FIXED_BYTES = 17

/** Writes a body at `at`; answers its end. */
export function writePing(
  bytes: Buffer,
  at: number,
  token: number,
  wallMs: number,
  fitness: number,
  state: Uint8Array,
): number {
  assert(state.length <= PING_STATE_BYTES_MAX, 'the state of a ping is bounded')
  writeU53(bytes, at + TOKEN_AT, token)
  bytes[at + TOKEN_AT + 7] = 0
  writeU48(bytes, at + WALL_AT, wallMs)
  bytes[at + FITNESS_AT] = fitness
  writeU16(bytes, at + STATE_LENGTH_AT, state.length)
  bytes.set(state, at + PING_FIXED_BYTES)
  return at + PING_FIXED_BYTES + state.length
}

export function pingIsSound(bytes: Buffer, start: number, end: number): boolean {
  if (end < start + PING_FIXED_BYTES) return false
  if (bytes[start + TOKEN_AT + 6] >= 0x20 || bytes[start + TOKEN_AT + 7] !== 0) return false
  const length = readU16(bytes, start + STATE_LENGTH_AT)
  return length <= PING_STATE_BYTES_MAX && start + PING_FIXED_BYTES + length === end
}

export function pingToken(bytes: Buffer, start: number): number {
  return readU53(bytes, start + TOKEN_AT)
}

export function pingWallMs(bytes: Buffer, start: number): number {
  return readU48(bytes, start + WALL_AT)
}

export function pingFitness(bytes: Buffer, start: number): number {
  return bytes[start + FITNESS_AT]
}

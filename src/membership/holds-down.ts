/** The gossiped state HOLDS_DOWN: the members that its sender holds down, as u16 each, ascending. */
import { readU16, writeU16 } from '../util/bytes.js'

/** `members` ascending. */
export function encodeHoldsDown(members: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * members.length)
  members.forEach((member, i) => writeU16(bytes, 2 * i, member))
  return bytes
}

/** Whether the state names the member. Null is that of a member which said nothing. */
export function namesMember(bytes: Uint8Array | null, member: number): boolean {
  if (bytes === null) return false
  for (let at = 0; at + 2 <= bytes.length; at += 2) if (readU16(bytes, at) === member) return true
  return false
}

/**
 * Why a link was closed, or never came to be: a closed list, because the operator reads it in the log and in counters. A
 * code also travels in REFUSE and GOODBYE, so that the other side can say why; codes are never used again.
 */
export type CloseReason =
  | 'garbage'
  | 'version'
  | 'secret'
  | 'self'
  | 'other-node'
  | 'deadline'
  | 'crowded'
  | 'oversized'
  | 'checksum'
  | 'malformed'
  | 'sequence'
  | 'hello-refused'
  | 'replaced'
  | 'silent'
  | 'not-reading'
  | 'refused-by-peer'
  | 'lost'
  | 'unreachable'
  | 'stopped'

/** By code: the index. */
const CODES: readonly CloseReason[] = [
  'lost',
  'garbage',
  'version',
  'secret',
  'self',
  'other-node',
  'deadline',
  'crowded',
  'oversized',
  'checksum',
  'malformed',
  'sequence',
  'hello-refused',
  'replaced',
  'silent',
  'not-reading',
  'stopped',
]

export function closeCode(reason: CloseReason): number {
  return Math.max(0, CODES.indexOf(reason))
}

/** The reason of a code; an unknown one, of a later version, is 'lost'. */
export function closeReasonOf(code: number): CloseReason {
  return CODES[code] ?? 'lost'
}

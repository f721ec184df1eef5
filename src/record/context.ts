/**
 * A client's context: the version vector of one record, handed out with its siblings and brought back with the write
 * that resolves them. To the client it is opaque text without spaces; inside it is
 *
 *     token := base64url( checksum u32    xxHash32, seed 0, of what follows
 *                         format u8 = 1
 *                         keyHash u32     xxHash32, seed 5, of the key
 *                         entries x { actor u53 (7 bytes), hlc u53 (7 bytes) } )     ascending by actor
 *
 * The key's hash is there because a context is a snapshot of *one* record: brought to another key it would cover writes
 * that its bearer has never seen, and silently replace them. The checksum keeps a mangled token from doing the same. It
 * is no protection against forgery: whoever may write a key may overwrite it anyway.
 *
 * A context with an entry far in the future would drag the next dot there (RULES V4); `aheadOfClock` is the check by
 * which it is refused (RULES V3).
 */
import { readU32, readU53, writeU32, writeU53 } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'
import { COUNT_MAX } from './caps.js'
import { hlcToWallMs } from './hlc.js'
import { newestHlc, type Dot, type VersionVector } from './version-vector.js'

const TOKEN_FORMAT = 1
const TOKEN_HEADER_BYTES = 9
const TOKEN_ENTRY_BYTES = 14
const KEY_SEED = 5

/** Longest token, in characters. */
export const CONTEXT_TOKEN_LENGTH_MAX = Math.ceil(
  ((TOKEN_HEADER_BYTES + COUNT_MAX * TOKEN_ENTRY_BYTES) * 4) / 3,
)

export type ParsedContext =
  | { readonly kind: 'context'; readonly context: VersionVector }
  /** Not a token of ours, or a damaged one. */
  | { readonly kind: 'malformed' }
  /** Handed out for another key. */
  | { readonly kind: 'foreign' }

/** The token of a record's context. */
export function formatContext(key: Uint8Array, context: VersionVector): string {
  const bytes = Buffer.alloc(TOKEN_HEADER_BYTES + context.length * TOKEN_ENTRY_BYTES)
  bytes[4] = TOKEN_FORMAT
  writeU32(bytes, 5, xxh32(key, 0, key.length, KEY_SEED))
  context.forEach((entry, index) => {
    writeU53(bytes, TOKEN_HEADER_BYTES + index * TOKEN_ENTRY_BYTES, entry.actor)
    writeU53(bytes, TOKEN_HEADER_BYTES + index * TOKEN_ENTRY_BYTES + 7, entry.hlc)
  })
  writeU32(bytes, 0, xxh32(bytes, 4, bytes.length, 0))
  return bytes.toString('base64url')
}

/** Reads a token that a client brought back for `key`. */
export function parseContext(key: Uint8Array, token: string): ParsedContext {
  if (token.length > CONTEXT_TOKEN_LENGTH_MAX) return { kind: 'malformed' }
  const bytes = Buffer.from(token, 'base64url')
  const entryBytes = bytes.length - TOKEN_HEADER_BYTES
  if (entryBytes < 0 || entryBytes % TOKEN_ENTRY_BYTES !== 0) return { kind: 'malformed' }
  if (bytes.toString('base64url') !== token || bytes[4] !== TOKEN_FORMAT) return { kind: 'malformed' }
  if (readU32(bytes, 0) !== xxh32(bytes, 4, bytes.length, 0) >>> 0) return { kind: 'malformed' }
  if (readU32(bytes, 5) !== xxh32(key, 0, key.length, KEY_SEED) >>> 0) return { kind: 'foreign' }
  const context: Dot[] = []
  for (let at = TOKEN_HEADER_BYTES; at < bytes.length; at += TOKEN_ENTRY_BYTES) {
    context.push({ actor: readU53(bytes, at), hlc: readU53(bytes, at + 7) })
  }
  return isCanonical(context) ? { kind: 'context', context } : { kind: 'malformed' }
}

/** A forged token may pass the checksum; what the record format cannot hold may not pass this. */
function isCanonical(context: VersionVector): boolean {
  return context.every(
    (entry, index) =>
      Number.isSafeInteger(entry.actor) &&
      Number.isSafeInteger(entry.hlc) &&
      (index === 0 || context[index - 1].actor < entry.actor),
  )
}

/** Whether a context has an entry more than `maxClockDriftMs` ahead of the wall clock (milliseconds since 1970). */
export function aheadOfClock(context: VersionVector, wallMs: number, maxClockDriftMs: number): boolean {
  return hlcToWallMs(newestHlc(context)) - wallMs > maxClockDriftMs
}

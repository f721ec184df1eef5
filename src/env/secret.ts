/**
 * Comparing passwords, and proving that one knows a secret without showing it. For passwords both sides are hashed first, so
 * the comparison takes the same time wherever they differ and whatever their lengths: a client learns nothing from how long a
 * wrong guess takes. SHA-256 also is what Redis keeps and shows (ACL LIST), so that the password itself need not be printed
 * anywhere.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Length of a MAC in bytes. */
export const MAC_BYTES = 32

/** Whether given[start, end) is the secret (as UTF-8), in time that does not depend on where they differ. */
export function isSecret(given: Uint8Array, start: number, end: number, secret: string): boolean {
  return timingSafeEqual(sha256(given.subarray(start, end)), sha256(Buffer.from(secret)))
}

/** SHA-256 of the secret (as UTF-8), 64 hex digits. */
export function secretDigest(secret: string): string {
  return sha256(Buffer.from(secret)).toString('hex')
}

/** HMAC-SHA256 under the secret (as UTF-8) of all parts, one behind the other: the caller makes their borders unambiguous. */
export function secretMac(secret: string, parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac('sha256', Buffer.from(secret))
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/** Whether two MACs are equal, in time that does not depend on where they differ. */
export function isSameMac(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === MAC_BYTES && other.length === MAC_BYTES && timingSafeEqual(one, other)
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/**
 * Comparing passwords. Both sides are hashed first, so the comparison takes the same time wherever they differ and
 * whatever their lengths: a client learns nothing from how long a wrong guess takes. SHA-256 also is what Redis keeps
 * and shows (ACL LIST), so that the password itself need not be printed anywhere.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether given[start, end) is the secret (as UTF-8), in time that does not depend on where they differ. */
export function isSecret(given: Uint8Array, start: number, end: number, secret: string): boolean {
  return timingSafeEqual(sha256(given.subarray(start, end)), sha256(Buffer.from(secret)))
}

/** SHA-256 of the secret (as UTF-8), 64 hex digits. */
export function secretDigest(secret: string): string {
  return sha256(Buffer.from(secret)).toString('hex')
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

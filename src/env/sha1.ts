/** SHA-1, for ids that have to be equal wherever they are worked out. It protects nothing: see secret.ts for that. */
import { createHash } from 'node:crypto'

/** SHA-1 of the text's UTF-8, 40 lower-case hexadecimal digits. */
export function sha1Hex(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

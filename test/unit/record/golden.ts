/**
 * Reads test/data/*.hex: hexadecimal bytes with a `#` comment at the end of each line, after a commented block of JSON
 * that says what they decode to. The files were made by a program of their own, from the format's page.
 */
import { readFileSync } from 'node:fs'

export interface Golden {
  readonly bytes: Buffer
  readonly decoded: DecodedText
}

/** Key and values as text. */
export interface DecodedText {
  readonly key: string
  readonly context: readonly { actor: number; hlc: number }[]
  readonly siblings: readonly {
    actor: number
    hlc: number
    kind: number
    expireAtMs: number
    value: string
  }[]
  readonly deathTimeMs: number
  readonly digest: readonly number[]
}

export const GOLDEN_NAMES = ['single', 'deletion', 'ttl', 'two-siblings'] as const

export function readGolden(name: (typeof GOLDEN_NAMES)[number]): Golden {
  const file = new URL(`../../../../test/data/record-${name}.hex`, import.meta.url)
  const lines = readFileSync(file, 'utf8').split('\n')
  const comments = lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2))
  const hex = lines.map((line) => line.replace(/#.*/, '').trim()).join('')
  return {
    bytes: Buffer.from(hex, 'hex'),
    decoded: JSON.parse(comments.slice(1).join('\n')) as DecodedText,
  }
}

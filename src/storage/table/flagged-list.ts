/**
 * The entries of a table that hide something older of their key which dies later (FLAG_SHADOWS). When a window of dead
 * records is dropped whole, each of them leaves a local tombstone behind (RULES T1, T2); this list finds them without
 * reading the table: the token leads to the block, the sequence tells the entry from others of equal token.
 *
 *     flagged := flaggedCount x { token f64, sequence u64, deathMs u64 }       in the table's order
 */
import { readU53, writeU53 } from '../../util/bytes.js'

export const FLAGGED_BYTES = 24

export interface FlaggedEntry {
  readonly token: number
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly deathMs: number
}

/** Collects the list while a table is written. */
export class FlaggedListWriter {
  /** Token, sequence and death time of each in turn: numbers, since there may be as many as entries. */
  readonly #numbers: number[] = []

  get count(): number {
    return this.#numbers.length / 3
  }

  add(token: number, sequence: number, deathMs: number): void {
    this.#numbers.push(token, sequence, deathMs)
  }

  encode(): Buffer {
    const bytes = Buffer.alloc(this.count * FLAGGED_BYTES)
    for (let i = 0, at = 0; i < this.#numbers.length; i += 3, at += FLAGGED_BYTES) {
      bytes.writeDoubleLE(this.#numbers[i], at)
      writeU53(bytes, at + 8, this.#numbers[i + 1])
      writeU53(bytes, at + 16, this.#numbers[i + 2])
    }
    return bytes
  }
}

export function* decodeFlagged(bytes: Buffer): Generator<FlaggedEntry> {
  for (let at = 0; at < bytes.length; at += FLAGGED_BYTES) {
    const token = bytes.readDoubleLE(at)
    yield { token, sequence: readU53(bytes, at + 8), deathMs: readU53(bytes, at + 16) }
  }
}

/**
 * What one run of a command has found and written on this node: the coordinator reads from it what other nodes have to
 * confirm or take. One object per node, filled anew by every run; off for a node that is alone, whose commands concern
 * nobody else.
 *
 * Places of records are good until the event loop gets its turn again: nothing is moved within one synchronous step.
 */
import type { KeyHash } from '../ring/token.js'

/** Nothing is noted. */
export const OFF = 0
/** Finds are noted, writes are appended and noted. */
export const WATCH = 1
/** Finds are noted, writes are put into the overlay and not appended. */
export const DRAFT = 2
export type JournalMode = typeof OFF | typeof WATCH | typeof DRAFT

export class RequestJournal {
  mode: JournalMode = OFF
  /** Keys looked up, with the records found (null for none): key i is keyIn[i][keyStarts[i], keyEnds[i]). */
  finds = 0
  readonly keyIn: Buffer[] = []
  readonly keyStarts: number[] = []
  readonly keyEnds: number[] = []
  readonly hashes: number[] = []
  readonly tokens: number[] = []
  readonly foundIn: (Buffer | null)[] = []
  readonly foundAt: number[] = []
  /** Records appended. */
  writes = 0
  readonly writtenIn: Buffer[] = []
  readonly writtenAt: number[] = []

  begin(mode: JournalMode): void {
    this.mode = mode
    this.finds = 0
    this.writes = 0
  }

  found(
    hash: KeyHash,
    bytes: Buffer,
    start: number,
    end: number,
    record: Buffer | null,
    recordAt: number,
  ): void {
    const i = this.finds++
    this.keyIn[i] = bytes
    this.keyStarts[i] = start
    this.keyEnds[i] = end
    this.hashes[i] = hash.first
    this.tokens[i] = hash.token
    this.foundIn[i] = record
    this.foundAt[i] = recordAt
  }

  wrote(bytes: Buffer, record: number): void {
    const i = this.writes++
    this.writtenIn[i] = bytes
    this.writtenAt[i] = record
  }
}

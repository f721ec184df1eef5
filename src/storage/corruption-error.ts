/**
 * Bytes on disk that are not what was written there. They are never returned, copied or taken for "absent": whoever
 * meets them throws this (or hands it to a callback), and the message tells the operator which file, which byte, and
 * what can be done about it.
 */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError'
  readonly file: string
  /** Byte offset in the file of the part that failed its check. */
  readonly offset: number
  /** What is wrong, in a few words: "the checksum of block 7 does not match". */
  readonly what: string

  /** `advice` is what the operator can do; it ends the message. */
  constructor(file: string, offset: number, what: string, advice: string) {
    super(`${file} is damaged at byte ${offset}: ${what}. ${advice}`)
    this.file = file
    this.offset = offset
    this.what = what
  }
}

/** A dump that cannot be read any further: cut off, damaged, or of a kind that is not known here. */
export class RdbError extends Error {
  /** The byte of the file at which it was noticed. */
  readonly offset: number

  constructor(offset: number, what: string) {
    super(`byte ${offset}: ${what}`)
    this.offset = offset
    this.name = 'RdbError'
  }
}

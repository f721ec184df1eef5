/**
 * Why no ring can be made of a member list. The operator wrote the list, so the message is for them; `code` is for code:
 * NO_MEMBERS, MEMBER (a line is wrong, or two contradict each other), TOO_MANY (more vnodes than slots), REPLICAS.
 */
export type RingErrorCode = 'NO_MEMBERS' | 'MEMBER' | 'TOO_MANY' | 'REPLICAS'

export class RingError extends Error {
  override readonly name = 'RingError'
  readonly code: RingErrorCode

  constructor(code: RingErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

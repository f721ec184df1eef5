/**
 * Why the store refuses a write. Stable codes; resp/ maps them to what a Redis client expects to read. Thrown before
 * anything was applied.
 */
export type StoreErrorCode = 'disk-full' | 'log-failed' | 'too-large' | 'behind' | 'closed'

export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** There is no room for a write that turned out larger than its request; on StoreEvents.onRoom it may be tried again. */
export class NoRoomYet extends StoreError {
  constructor() {
    super('behind', 'no room in the log yet')
  }
}

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

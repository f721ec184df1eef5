/**
 * How fast a job may go, and whether it is still wanted. A job asks before every piece of work of about
 * `PACE_STEP_BYTES`; the answer takes as long as it should (worker threads sleep) or throws JobError 'cancelled'.
 * In simulations it does nothing.
 */
export interface Pace {
  /** Accounts for bytes read or written. Blocks the thread to keep the rate. Throws JobError 'cancelled'. */
  spend(bytes: number): void
}

/** Jobs call `spend` about this often. */
export const PACE_STEP_BYTES = 256 * 1024

export const UNLIMITED_PACE: Pace = { spend() {} }

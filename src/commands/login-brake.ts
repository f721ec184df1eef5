/**
 * Makes guessing passwords slow: once an address has failed LOGIN_FAILURES_FREE times within a minute, replies to AUTH and to
 * HELLO with AUTH are held back, by FAILURE_DELAY_MS more for each further failure, up to a second. Right and wrong ones
 * alike, or a quick answer would tell. Not a lock: nobody can keep others from logging in for longer than that second.
 *
 * The memory is bounded: of more than ADDRESSES_MAX addresses the one that failed longest ago is forgotten, so somebody with
 * thousands of addresses is not slowed down. Against those there is the password's length.
 */
export const LOGIN_FAILURES_FREE = 10
export const LOGIN_DELAY_MS_MAX = 1000
export const ADDRESSES_MAX = 4096
const FAILURE_DELAY_MS = 100
const WINDOW_MS = 60_000

interface Failures {
  count: number
  readonly sinceMs: number
}

export class LoginBrake {
  /** By address; the one whose minute began first comes first. */
  readonly #failures = new Map<string, Failures>()

  /** Notes a wrong password from `address`; `nowMs` by the monotonic clock. */
  failed(address: string, nowMs: number): void {
    const known = this.#current(address, nowMs)
    if (known !== undefined) {
      known.count++
      return
    }
    this.#failures.delete(address)
    this.#failures.set(address, { count: 1, sinceMs: nowMs })
    if (this.#failures.size <= ADDRESSES_MAX) return
    const [oldest] = this.#failures.keys()
    this.#failures.delete(oldest)
  }

  /** How long the reply to a login from `address` is to be held back, in milliseconds. */
  delayMs(address: string, nowMs: number): number {
    const excess = (this.#current(address, nowMs)?.count ?? 0) - LOGIN_FAILURES_FREE
    return excess <= 0 ? 0 : Math.min(LOGIN_DELAY_MS_MAX, excess * FAILURE_DELAY_MS)
  }

  #current(address: string, nowMs: number): Failures | undefined {
    const known = this.#failures.get(address)
    return known === undefined || nowMs - known.sinceMs >= WINDOW_MS ? undefined : known
  }
}

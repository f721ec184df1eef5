/** Those who wait until the log is durable up to some sequence, as promises: for the few commands that can afford one. */
import type { Store } from '../storage/store.js'
import { StoreError } from '../storage/store-error.js'

interface Waiter {
  readonly sequence: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class DurableWaiters {
  readonly #store: Store
  #waiters: Waiter[] = []

  constructor(store: Store) {
    this.#store = store
  }

  /** Resolves once entries up to `sequence` are durable; rejects when the log fails before. */
  until(sequence: number): Promise<void> {
    if (sequence <= this.#store.durableSequence) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ sequence, resolve, reject }))
  }

  /** The store's onDurable. */
  durableAdvanced(): void {
    if (this.#waiters.length === 0) return
    const durable = this.#store.durableSequence
    const ready = this.#waiters.filter((waiter) => waiter.sequence <= durable)
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > durable)
    for (const waiter of ready) waiter.resolve()
  }

  /** The store's onLogFailed. */
  logFailed(error: Error): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(new StoreError('log-failed', error.message, { cause: error }))
  }
}

/**
 * Keys that something in flight holds: a proposal (RULES V10), or an operation that waits for the key's block. Whatever would mint
 * a dot for such a key queues up behind it, in order; merging what other nodes send goes on. Keys are told apart by the
 * first half of their hash: two keys that share it wait for each other now and then, which harms nobody.
 *
 * An operation holds all its keys or none: they are taken in one synchronous step, so nobody waits in a circle.
 */
import { assert } from '../util/assert.js'
import type { Operation } from './operation.js'

interface Gate {
  readonly holder: Operation
  readonly waiting: Operation[]
}

export class KeyGates {
  readonly #gates = new Map<number, Gate>()

  get isEmpty(): boolean {
    return this.#gates.size === 0
  }

  isHeld(keyHash: number): boolean {
    return this.#gates.size > 0 && this.#gates.has(keyHash)
  }

  /** Whether somebody other than `operation` holds the key. */
  isHeldByOther(keyHash: number, operation: Operation | null): boolean {
    const gate = this.#gates.get(keyHash)
    return gate !== undefined && gate.holder !== operation
  }

  hold(keyHash: number, operation: Operation): void {
    const gate = this.#gates.get(keyHash)
    assert(gate === undefined || gate.holder === operation, 'a key is held once')
    if (gate === undefined) this.#gates.set(keyHash, { holder: operation, waiting: [] })
  }

  /** Queues `operation` up for a key that is held. */
  wait(keyHash: number, operation: Operation): void {
    const gate = this.#gates.get(keyHash)
    assert(gate !== undefined, 'somebody holds the key')
    gate.waiting.push(operation)
  }

  /** Gives a key back: answers who waited for it, first come first; they run again in that order. */
  release(keyHash: number, operation: Operation): readonly Operation[] {
    const gate = this.#gates.get(keyHash)
    if (gate === undefined || gate.holder !== operation) return []
    this.#gates.delete(keyHash)
    return gate.waiting
  }
}

/**
 * Requests of peers that cannot be dealt with at once: an older record of their key has to come from disk, or memory for writes
 * is used up. Each is a copy, for the link's bytes are gone when it has been handed over. Those that touch a key which
 * another one waits for queue behind that, in the order in which they came; everything else goes past them (RULES L1).
 *
 * A queue is known by its key's token. Two keys of one token wait for each other then, which harms nobody.
 */
import type { BlockLoad } from './block-load.js'

/** What a waiting request waits for: others of its keys, blocks, or room for writes; `running` when for nothing. */
export type WaitsFor = 'turn' | 'blocks' | 'room' | 'running'

export class WaitingRequest<Owner> {
  readonly owner: Owner
  readonly kind: number
  readonly sequence: number
  /** The message's body. */
  readonly bytes: Buffer
  /** Of the keys that it writes; none when it only reads. */
  readonly tokens: readonly number[]
  waitsFor: WaitsFor = 'turn'
  /** Blocks that it has had loaded: pinned until it is done. */
  load: BlockLoad | null = null
  /** Since when it has waited for room, by the monotonic clock; 0 when it never has. */
  sinceMs = 0
  /** Its link was closed. */
  isGone = false

  constructor(owner: Owner, kind: number, sequence: number, bytes: Buffer, tokens: readonly number[]) {
    this.owner = owner
    this.kind = kind
    this.sequence = sequence
    this.bytes = bytes
    this.tokens = tokens
  }
}

export class KeyQueues<Owner> {
  readonly #byToken = new Map<number, WaitingRequest<Owner>[]>()

  /** Whether a request waits for this key. */
  has(token: number): boolean {
    return this.#byToken.size > 0 && this.#byToken.has(token)
  }

  add(request: WaitingRequest<Owner>): void {
    for (const token of request.tokens) {
      const queue = this.#byToken.get(token)
      if (queue === undefined) this.#byToken.set(token, [request])
      else queue.push(request)
    }
  }

  /** Whether it is the first of all its queues. */
  isFirst(request: WaitingRequest<Owner>): boolean {
    return request.tokens.every((token) => this.#byToken.get(token)?.[0] === request)
  }

  /** Takes it out, and puts the requests whose turn has come into `ready`. */
  remove(request: WaitingRequest<Owner>, ready: WaitingRequest<Owner>[]): void {
    for (const token of request.tokens) {
      const rest = this.#byToken.get(token)?.filter((other) => other !== request) ?? []
      if (rest.length === 0) this.#byToken.delete(token)
      else this.#byToken.set(token, rest)
    }
    for (const token of request.tokens) {
      const next = this.#byToken.get(token)?.[0]
      if (next?.waitsFor === 'turn' && this.isFirst(next) && !ready.includes(next)) ready.push(next)
    }
  }
}

/** What commands that walk the keyspace in several turns share: the blocks that a step needs, and giving up the turn. */
import type { Keyspace, LoadedBlocks } from '../coordinator/keyspace.js'
import type { Clock } from '../env/clock.js'

/** The blocks that a step needs, kept in memory until it has been taken. */
export class HeldBlocks {
  readonly #keyspace: Keyspace
  #held: LoadedBlocks | null = null

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** What the last step missed comes to what earlier attempts at it have loaded. */
  async load(): Promise<void> {
    const before = this.#held
    this.#held = null
    this.#held = await this.#keyspace.whenLoaded(before)
  }

  release(): void {
    this.#held?.release()
    this.#held = null
  }
}

export function endOfTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.endOfTurn(resolve))
}

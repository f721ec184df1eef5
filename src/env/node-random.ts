/**
 * Randomness from the operating system, good enough for actor ids and run ids that must never collide. One call fills
 * a pool that hundreds of draws are served from, because a call into OpenSSL for seven bytes costs about a microsecond.
 */
import { randomFillSync } from 'node:crypto'
import { readU53 } from '../util/bytes.js'
import type { Random } from './random.js'
import { uniformBelow } from './uniform.js'

const DRAW_BYTES = 7
const POOL_BYTES = 512 * DRAW_BYTES
const TOP_BYTE_MASK = 0x1f

export class NodeRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES)
  #used = POOL_BYTES

  next53(): number {
    if (this.#used === POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const at = this.#used
    this.#used += DRAW_BYTES
    this.#pool[at + DRAW_BYTES - 1] &= TOP_BYTE_MASK
    return readU53(this.#pool, at)
  }

  below(bound: number): number {
    return uniformBelow(this, bound)
  }
}

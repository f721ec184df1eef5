/** The buffers that all links of a node write their frames into: a pool, so that a link that has nothing to say holds none. */
import { BUFFER_BYTES } from './limits.js'

const FREE_MAX = 16

export class OutgoingBuffers {
  readonly #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
  }

  give(buffer: Buffer): void {
    if (this.#free.length < FREE_MAX) this.#free.push(buffer)
  }
}

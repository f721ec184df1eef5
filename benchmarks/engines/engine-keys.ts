/** The keys and values that all engines in a process get: 16 decimal digits, 100 B of noise, in one random order. */
import { shuffled } from '../load/fill.js'
import { seededRandom } from '../load/requests.js'

export const ENGINE_KEYS = 1_000_000
export const KEY_BYTES = 16
export const VALUE_BYTES = 100
export const ENTRY_BYTES = KEY_BYTES + VALUE_BYTES

const NOISE_BYTES = 1 << 16
const NOISE_STEP = 97
const SEED = 3

export class EngineKeys {
  readonly count: number
  /** Key i is bytes[16 i, 16 i + 16). */
  readonly bytes: Buffer
  /** Every key once, at random. */
  readonly order: Uint32Array
  readonly noise: Buffer

  constructor(count: number) {
    this.count = count
    this.bytes = Buffer.alloc(count * KEY_BYTES)
    for (let i = 0; i < count; i++)
      this.bytes.write(String(i).padStart(KEY_BYTES, '0'), i * KEY_BYTES, 'latin1')
    this.order = shuffled(count)
    const random = seededRandom(SEED)
    this.noise = Buffer.from(
      Array.from({ length: NOISE_BYTES + VALUE_BYTES }, () => Math.floor(random() * 256)),
    )
  }

  /** Where the value of key i starts in `noise`. */
  valueAt(key: number): number {
    return (key * NOISE_STEP) % NOISE_BYTES
  }

  /** The keys as a Buffer each, in random order, for engines that want it so; made once, outside of measured time. */
  buffers(): Buffer[] {
    return Array.from(this.order, (key) => this.bytes.subarray(key * KEY_BYTES, (key + 1) * KEY_BYTES))
  }

  /** The values that go with buffers(). */
  values(): Buffer[] {
    return Array.from(this.order, (key) => {
      const at = this.valueAt(key)
      return this.noise.subarray(at, at + VALUE_BYTES)
    })
  }
}

/**
 * LevelDB through the package classic-level, which only this file knows. It gets the memtable of our size and a cache
 * for everything; its bloom filters have 10 bits a key by themselves.
 */
import { ClassicLevel } from 'classic-level'
import { MB } from '../measure/units.js'

const BATCH = 100

export class LevelEngine {
  readonly #level: ClassicLevel<Buffer, Buffer>

  private constructor(level: ClassicLevel<Buffer, Buffer>) {
    this.#level = level
  }

  static async open(directory: string): Promise<LevelEngine> {
    const level = new ClassicLevel<Buffer, Buffer>(directory, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: false,
      cacheSize: 1024 * MB,
      writeBufferSize: 128 * MB,
    })
    await level.open()
    return new LevelEngine(level)
  }

  /** Puts the first `count` keys in batches, each done before the next. Answers puts a second. */
  async fill(
    keys: readonly Buffer[],
    values: readonly Buffer[],
    count: number,
    sync: boolean,
  ): Promise<number> {
    const began = performance.now()
    for (let next = 0; next < count; next += BATCH) {
      const end = Math.min(count, next + BATCH)
      const batch: { type: 'put'; key: Buffer; value: Buffer }[] = []
      for (let i = next; i < end; i++) batch.push({ type: 'put', key: keys[i], value: values[i] })
      await this.#level.batch(batch, { sync })
    }
    return (count * 1000) / (performance.now() - began)
  }

  /** Brings everything into one sorted level: the best that it can be to read. */
  async compact(keys: readonly Buffer[]): Promise<void> {
    const sorted = [keys[0], keys[0]]
    for (const key of keys) {
      if (key.compare(sorted[0]) < 0) sorted[0] = key
      if (key.compare(sorted[1]) > 0) sorted[1] = key
    }
    await this.#level.compactRange(sorted[0], sorted[1])
  }

  /** Answers gets a second. */
  readRandom(keys: readonly Buffer[], count: number): number {
    const level = this.#level
    const began = performance.now()
    for (let i = 0; i < count; i++) {
      if (level.getSync(keys[i % keys.length]) === undefined) throw new Error('classic-level misses a key')
    }
    return (count * 1000) / (performance.now() - began)
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}

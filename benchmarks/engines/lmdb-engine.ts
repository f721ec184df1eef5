/** LMDB through the package lmdb, which only this file knows: Buffers in and out, keys and values as they are. */
import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'

const BATCH = 1000

export class LmdbEngine {
  readonly #database: RootDatabase<Buffer, Buffer>

  constructor(directory: string) {
    this.#database = open<Buffer, Buffer>({ path: directory, keyEncoding: 'binary', encoding: 'binary' })
  }

  async fill(keys: readonly Buffer[], values: readonly Buffer[]): Promise<void> {
    for (let next = 0; next < keys.length; next += BATCH) {
      await this.#database.transaction(() => {
        const end = Math.min(keys.length, next + BATCH)
        for (let i = next; i < end; i++) void this.#database.put(keys[i], values[i])
      })
    }
    await this.#database.flushed
  }

  /** `fast`: with getBinaryFast, whose answer is only good until the next one. Answers gets a second. */
  readRandom(keys: readonly Buffer[], count: number, fast: boolean): number {
    const database = this.#database
    const began = performance.now()
    for (let i = 0; i < count; i++) {
      const key = keys[i % keys.length]
      const value = fast ? database.getBinaryFast(key) : database.get(key)
      if (value === undefined) throw new Error('lmdb misses a key')
    }
    return (count * 1000) / (performance.now() - began)
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

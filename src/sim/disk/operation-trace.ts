/**
 * What a simulated disk was asked, in order: the newest lines for a person who reads a failing seed, and a running
 * hash over all of them, by which two runs are known to be the same.
 */
const LINES_MAX = 5_000
const FNV_OFFSET = 0x811c9dc5 | 0
const FNV_PRIME = 0x01000193

export class OperationTrace {
  #lines: string[] = []
  #hash = FNV_OFFSET

  /** FNV-1a over the characters of all lines, unsigned. */
  get hash(): number {
    return this.#hash >>> 0
  }

  /** The newest lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines
  }

  add(line: string): void {
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), FNV_PRIME)
    this.#lines.push(line)
    if (this.#lines.length >= 2 * LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX)
  }
}

/**
 * The bytes of a simulated file as pages that are shared until written (copy on write). A page that was never written
 * is absent and reads as zeros, as a hole does. Sharing makes the three things cheap that a crash test does all
 * the time: cloning a whole disk, making a page durable (the durable side takes the page itself), and forgetting one side.
 *
 * Invariants: a page in `#own` belongs to this object alone; bytes of the last page beyond `sizeBytes` are zero.
 */
import { assert } from '../../util/assert.js'

export const PAGE_BYTES = 4096

export class PagedBytes {
  #pages: (Uint8Array | undefined)[] = []
  readonly #own = new Set<number>()
  #sizeBytes = 0
  #allocated = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Bytes of the pages that exist; holes cost nothing. */
  get allocatedBytes(): number {
    return this.#allocated * PAGE_BYTES
  }

  /** How many bytes a write of [position, position + length) would allocate. */
  missingBytes(position: number, length: number): number {
    let missing = 0
    if (length === 0) return 0
    const last = pageOf(position + length - 1)
    for (let page = pageOf(position); page <= last; page++) if (this.#pages[page] === undefined) missing++
    return missing * PAGE_BYTES
  }

  /** Bytes read: fewer than `length` only at the end. */
  read(into: Uint8Array, offset: number, length: number, position: number): number {
    const total = Math.max(0, Math.min(length, this.#sizeBytes - position))
    for (let done = 0; done < total;) {
      const within = (position + done) % PAGE_BYTES
      const count = Math.min(total - done, PAGE_BYTES - within)
      const page = this.#pages[pageOf(position + done)]
      if (page === undefined) into.fill(0, offset + done, offset + done + count)
      else into.set(page.subarray(within, within + count), offset + done)
      done += count
    }
    return total
  }

  /** Copies [position, position + length), cut at the end of the file. */
  slice(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#sizeBytes - position)))
    this.read(bytes, 0, bytes.length, position)
    return bytes
  }

  /** Writes bytes[start, end); a gap between the old end and `position` becomes zeros. */
  write(bytes: Uint8Array, start: number, end: number, position: number): void {
    for (let at = start; at < end;) {
      const target = position + at - start
      const within = target % PAGE_BYTES
      const count = Math.min(end - at, PAGE_BYTES - within)
      this.#writable(pageOf(target)).set(bytes.subarray(at, at + count), within)
      at += count
    }
    if (end > start) this.#sizeBytes = Math.max(this.#sizeBytes, position + end - start)
  }

  /** Cuts or extends; what a cut removed reads as zeros when the file grows again. */
  resize(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) this.#cut(sizeBytes)
    this.#sizeBytes = sizeBytes
  }

  /** Takes a page of `from` as it is, without copying; the size stays. */
  takePage(page: number, from: PagedBytes): void {
    const taken = from.#pages[page]
    if (this.#pages[page] === undefined && taken !== undefined) this.#allocated++
    if (this.#pages[page] !== undefined && taken === undefined) this.#allocated--
    this.#pages[page] = taken
    this.#own.delete(page)
    from.#own.delete(page)
  }

  clone(): PagedBytes {
    const copy = new PagedBytes()
    copy.#pages = this.#pages.slice()
    copy.#sizeBytes = this.#sizeBytes
    copy.#allocated = this.#allocated
    this.#own.clear()
    return copy
  }

  #cut(sizeBytes: number): void {
    const kept = Math.ceil(sizeBytes / PAGE_BYTES)
    for (let page = kept; page < this.#pages.length; page++) {
      if (this.#pages[page] !== undefined) this.#allocated--
      this.#own.delete(page)
    }
    if (this.#pages.length > kept) this.#pages.length = kept
    const within = sizeBytes % PAGE_BYTES
    if (within > 0 && this.#pages[kept - 1] !== undefined) this.#writable(kept - 1).fill(0, within)
  }

  #writable(page: number): Uint8Array {
    const current = this.#pages[page]
    if (current !== undefined && this.#own.has(page)) return current
    const fresh = new Uint8Array(PAGE_BYTES)
    if (current === undefined) this.#allocated++
    else fresh.set(current)
    this.#pages[page] = fresh
    this.#own.add(page)
    return fresh
  }
}

export function pageOf(position: number): number {
  assert(position >= 0, 'positions are not negative')
  return Math.floor(position / PAGE_BYTES)
}

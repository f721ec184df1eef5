/**
 * A keyspace in a Map, for the tests of the command handlers. It holds them to the contract of the interface: a key is
 * only written after find() has answered for it in the same attempt, nothing is written in an attempt that met COLD, and
 * several writes are reserved before the first of them. A value is handed out between other bytes, so that a handler
 * which forgets its bounds shows.
 *
 * With `cold` every key, and every stretch of a scan, is COLD in the first attempt of each command.
 */
import { ABSENT, COLD, COLD_SCAN, LIVE } from '../../../src/coordinator/keyspace.js'
import type { Found, KeyVisitor, Keyspace, Lookup } from '../../../src/coordinator/keyspace.js'
import { KeyHash } from '../../../src/ring/token.js'
import { StoreError } from '../../../src/storage/store-error.js'
import { assert } from '../../../src/util/assert.js'

interface Stored {
  readonly key: Buffer
  readonly token: number
  readonly padded: Buffer
  readonly expireAtMs: number
  readonly writtenAtMs: number
}

const PADDING = Buffer.from('\x00<pad>')
const ENTRY_OVERHEAD_BYTES = 72

export class MapKeyspace implements Keyspace {
  readonly found: Found = {
    bytes: PADDING,
    start: 0,
    end: 0,
    expireAtMs: 0,
    writtenAtMs: 0,
    entryBytes: 0,
  }
  /** The wall clock; move it as the test likes. */
  now = 1_800_000_000_000
  /** Whether first attempts are answered COLD. */
  cold = false
  /** Refuses the next write. */
  full = false
  /** Entries, dead ones included, that one call of scan() looks at. */
  entriesPerScan = Infinity
  /** Calls of scan(), and keys visited by them, since the start. */
  scans = 0
  visits = 0
  /** Writes and reservations since the start, for tests that count them. */
  writes = 0
  reservations = 0

  readonly #entries = new Map<string, Stored>()
  #sorted: Stored[] | null = null
  readonly #hash = new KeyHash()
  readonly #warm = new Set<string>()
  readonly #answered = new Map<string, Lookup>()
  #metCold = false
  #reservedWrites = 0
  #reservedBytes = 0
  #attemptWrites = 0

  /** Called by the runner before each attempt of a command. */
  beginAttempt(): void {
    this.#answered.clear()
    this.#metCold = false
    this.#reservedWrites = 0
    this.#reservedBytes = 0
    this.#attemptWrites = 0
  }

  /** Called by the runner when a command is through: everything is out of memory again. */
  endCommand(): void {
    this.#warm.clear()
  }

  nowMs(): number {
    return this.now
  }

  find(bytes: Buffer, start: number, end: number): Lookup {
    const name = bytes.toString('latin1', start, end)
    if (this.#isCold(`key ${name}`)) return COLD
    const stored = this.#entries.get(name)
    const lookup = stored !== undefined && this.#lives(stored) ? LIVE : ABSENT
    this.#answered.set(name, lookup)
    if (lookup === LIVE) this.#show(stored as Stored)
    return lookup
  }

  set(
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    value: Buffer,
    valueStart: number,
    valueEnd: number,
    expireAtMs: number,
  ): void {
    const name = bytes.toString('latin1', keyStart, keyEnd)
    assert(this.#answered.has(name), `find() before set(): ${name}`)
    assert(
      valueStart >= 0 && valueStart <= valueEnd && valueEnd <= value.length,
      'the value lies in its buffer',
    )
    assert(Number.isInteger(expireAtMs) && expireAtMs >= 0 && expireAtMs < 2 ** 48, `a time: ${expireAtMs}`)
    this.#beforeWrite(keyEnd - keyStart + valueEnd - valueStart)
    const key = Buffer.from(bytes.subarray(keyStart, keyEnd))
    this.#hash.of(key, 0, key.length)
    const padded = Buffer.concat([PADDING, value.subarray(valueStart, valueEnd), PADDING])
    const writtenAtMs = this.now
    this.#entries.set(name, { key, token: this.#hash.token, padded, expireAtMs, writtenAtMs })
    this.#sorted = null
  }

  delete(bytes: Buffer, keyStart: number, keyEnd: number): void {
    const name = bytes.toString('latin1', keyStart, keyEnd)
    assert(this.#answered.get(name) === LIVE, `find() answered LIVE before delete(): ${name}`)
    this.#beforeWrite(keyEnd - keyStart)
    this.#answered.set(name, ABSENT)
    this.#entries.delete(name)
    this.#sorted = null
  }

  foundRecord(): null {
    throw new Error('a map has values, not records')
  }

  resolve(): null {
    throw new Error('a map has values, not records')
  }

  reserve(writes: number, payloadBytes: number): void {
    assert(!this.#metCold && this.#attemptWrites === 0, 'reserve() after COLD or after a write')
    this.reservations++
    this.#reservedWrites = writes
    this.#reservedBytes = payloadBytes
  }

  scan(cursor: number, count: number, visit: KeyVisitor): number {
    assert(Number.isSafeInteger(cursor) && cursor >= 0, `a cursor: ${cursor}`)
    assert(Number.isSafeInteger(count) && count >= 1, `a count: ${count}`)
    this.scans++
    const entries = this.#inOrder()
    const first = entries.findIndex((stored) => stored.token >= cursor)
    if (this.#isCold(`scan ${cursor}`)) {
      if (first >= 0) this.#visit(entries[first], visit)
      return COLD_SCAN
    }
    let visited = 0
    for (let index = first; index >= 0 && index < entries.length; index++) {
      const stored = entries[index]
      const full = visited >= count || index - first >= this.entriesPerScan
      if (full && stored.token !== entries[index - 1].token) return stored.token
      if (!this.#lives(stored)) continue
      this.#visit(stored, visit)
      visited++
    }
    return 0
  }

  whenLoaded(): Promise<null> {
    return Promise.resolve(null)
  }

  count(): number {
    return this.#inOrder().filter((stored) => this.#lives(stored)).length
  }

  countExpiring(): number {
    return this.#inOrder().filter((stored) => this.#lives(stored) && stored.expireAtMs !== 0).length
  }

  flushAll(): Promise<void> {
    this.#entries.clear()
    this.#sorted = null
    return Promise.resolve()
  }

  #visit(stored: Stored, visit: KeyVisitor): void {
    this.visits++
    this.#show(stored)
    visit(stored.key, 0, stored.key.length)
  }

  #show(stored: Stored): void {
    const { found } = this
    found.bytes = stored.padded
    found.start = PADDING.length
    found.end = stored.padded.length - PADDING.length
    found.expireAtMs = stored.expireAtMs
    found.writtenAtMs = stored.writtenAtMs
    found.entryBytes = ENTRY_OVERHEAD_BYTES + stored.key.length + found.end - found.start
  }

  #lives(stored: Stored): boolean {
    return stored.expireAtMs === 0 || stored.expireAtMs > this.now
  }

  /** Whether `what` is asked for the first time in this command; it is in memory from then on. */
  #isCold(what: string): boolean {
    if (!this.cold || this.#warm.has(what)) return false
    this.#warm.add(what)
    this.#metCold = true
    return true
  }

  #beforeWrite(payloadBytes: number): void {
    assert(!this.#metCold, 'nothing is written in an attempt that met COLD')
    if (this.full) throw new StoreError('disk-full', 'no space left on device')
    this.writes++
    this.#attemptWrites++
    this.#reservedBytes -= payloadBytes
    if (this.#attemptWrites === 1 && this.#reservedWrites === 0) return
    assert(this.#attemptWrites <= this.#reservedWrites, 'several writes are reserved first')
    assert(this.#reservedBytes >= 0, 'no more bytes are written than were reserved')
  }

  #inOrder(): Stored[] {
    this.#sorted ??= [...this.#entries.values()].sort(
      (a, b) => a.token - b.token || Buffer.compare(a.key, b.key),
    )
    return this.#sorted
  }
}

/**
 * The blocks of tables that memory holds: one allocation cut into slots of BLOCK_BYTES, shared by all tables, evicted by
 * CLOCK. Longer than most files because the parts share their arrays.
 *
 * Each table keeps an Int32Array with a *place* per block, which the cache fills and clears, so that a hit costs one
 * array read and a store into `referenced`, no hashing and no list to relink:
 *
 *     place >= 0    the block starts at slot `place`, that is at bytes[place * BLOCK_BYTES]
 *     place = -1    NOWHERE: not in memory
 *     place <= -2   in a temporary buffer
 *
 * A jumbo block takes a run of neighbouring slots. (Buffers of their own were rejected: slots once touched cannot be
 * given back to the system, so memory would reach twice the size setting, and evicted buffers linger until the
 * garbage collector looks.) The allocation is not touched before it is used, so a large setting costs nothing at first.
 *
 * CLOCK: a hand sweeps over the slots; a block that was found since the last pass is spared once. A run of several slots
 * needs as many neighbours that may go; after SWEEP_PATIENCE slots per slot wanted, and for a single block likewise,
 * the reference bits are disregarded, which bounds the time that an insertion may take. The finding for which a block
 * was loaded does not count as a use: unpinning clears its bit.
 *
 * Walks (scans, exchanges, counts) must not displace what is asked for again and again. That they do not mark blocks is not
 * enough: each block that they bring in moves the hand on, and one that is asked for less often than the hand comes round
 * would go. So what a walk brought in is *spent* when the walk lets go of it, and gives its place to the next block that comes in,
 * oldest first, unless a lookup has found it meanwhile. A few stay: the next step begins where this one ended.
 *
 * Pins: a request that waited for a block must find it when it runs again, however small the cache. A pinned block is not
 * evicted. A block for which no place can be made (all slots pinned, or a jumbo above its share) stays in the buffer it
 * was read into, a *temporary*, until its last pin goes; unpinned ones go with the next insertion. So there are at most
 * as many temporaries as waiters, and one.
 *
 * Invariants: every used slot names its file and block, and that file's array names the slot; released files own
 * nothing, so a place can never be taken for another file's. Blocks move and vanish only inside insert(), offer(),
 * unpin() and release(), which run between requests, never in the middle of one.
 *
 * Source of CLOCK: Corbató, "A Paging Experiment with the Multics System", 1968.
 */
import { assert } from '../util/assert.js'
import { BLOCK_BYTES } from './table/block-format.js'

/** Place of a block that is not in memory. */
export const NOWHERE = -1
/** Largest size: what one Buffer can hold. */
export const CACHE_BYTES_MAX = 2 ** 32 - BLOCK_BYTES

/** Slots looked at per slot wanted before reference bits are disregarded. */
const SWEEP_PATIENCE = 256
/** A jumbo block above this share of the cache stays temporary. */
const JUMBO_SHARE = 1 / 4
/** Idle buffers for reads that are kept. */
const READ_BUFFERS_MAX = 64

/** Spent blocks that are kept: what steps of some walks side by side come back to. At most a share of the cache. */
const SPENT_KEPT_MAX = 64
const SPENT_KEPT_SHARE = 1 / 16

const FIRST_TEMPORARY = -2

/** For whom a block was loaded, until its last pin goes; nobody: it was read and used on the spot. */
export type LoadedFor = typeof FOR_NOBODY | typeof FOR_LOOKUP | typeof FOR_WALK
export const FOR_NOBODY = 0
export const FOR_LOOKUP = 1
export const FOR_WALK = 2

/** Values of #owners besides file handles. */
const FREE = -1
const CONTINUED = -2

const HITS = 0
const MISSES = 1

export interface BlockCacheStats {
  /** Lookups that found their block in memory. */
  readonly hits: number
  /** Lookups that had to wait for one. */
  readonly misses: number
  readonly evictions: number
  /** Slots in use and temporaries. */
  readonly usedBytes: number
}

interface Temporary {
  readonly bytes: Buffer
  readonly file: number
  readonly block: number
  pins: number
}

export class BlockCache {
  readonly sizeBytes: number
  readonly slotCount: number
  /** All slots, and two more views of the same memory. */
  readonly bytes: Buffer
  readonly tokens: Float64Array
  readonly words: Uint16Array
  /** Per slot: whether its block was found since the hand came by. Set by whoever finds it. */
  readonly referenced: Uint8Array
  /**
   * Per slot, a number that changes whenever what is in it leaves; never 0. 32 bits do not come round: at a microsecond
   * an eviction that would take an hour of evicting this one slot alone.
   */
  readonly generations: Uint32Array
  /** [hits, misses], counted by the tables; numbers in a typed array never become garbage. */
  readonly tallies = new Float64Array(2)

  /** Per slot, at the first slot of a block: file, block number, slots taken, pins. */
  readonly #owners: Int32Array
  readonly #blocks: Int32Array
  readonly #lengths: Int32Array
  readonly #pins: Int32Array
  /** Slots that were given back; may name slots that a run has taken since, which are skipped. */
  readonly #freeSlots: Int32Array
  readonly #isListed: Uint8Array
  /** Per slot, at the first slot of a block: one of FOR_…. */
  readonly #loadedFor: Uint8Array
  /** Slots of spent blocks, oldest first, from #spentFrom on and round; some may hold another block by now, or one that was found. */
  readonly #spent: Int32Array
  readonly #isSpent: Uint8Array
  /** Per slot, its generation when it was spent. */
  readonly #spentGenerations: Uint32Array
  #spentFrom = 0
  #spentCount = 0
  #freeCount = 0
  /** Slots from here on were never used. */
  #fresh = 0
  #hand = 0
  #usedSlots = 0
  #pinnedSlots = 0
  #evictions = 0

  /** Place arrays by file handle. */
  readonly #places: (Int32Array | null)[] = []
  readonly #temporaries: (Temporary | null)[] = []
  #temporaryCount = 0
  #temporaryBytes = 0
  readonly #readBuffers: Buffer[] = []

  /** `sizeBytes` is what the blocks may take, at most CACHE_BYTES_MAX; bookkeeping adds two thirds of a percent. */
  constructor(sizeBytes: number) {
    assert(sizeBytes >= 0 && sizeBytes <= CACHE_BYTES_MAX, `a block cache has 0 to ${CACHE_BYTES_MAX} bytes`)
    const slotCount = Math.floor(sizeBytes / BLOCK_BYTES)
    const memory = new ArrayBuffer(slotCount * BLOCK_BYTES)
    this.sizeBytes = sizeBytes
    this.slotCount = slotCount
    this.bytes = Buffer.from(memory)
    this.tokens = new Float64Array(memory)
    this.words = new Uint16Array(memory)
    this.referenced = new Uint8Array(slotCount)
    this.generations = new Uint32Array(slotCount).fill(1)
    this.#owners = new Int32Array(slotCount).fill(FREE)
    this.#blocks = new Int32Array(slotCount)
    this.#lengths = new Int32Array(slotCount)
    this.#pins = new Int32Array(slotCount)
    this.#freeSlots = new Int32Array(slotCount)
    this.#isListed = new Uint8Array(slotCount)
    this.#loadedFor = new Uint8Array(slotCount)
    this.#spent = new Int32Array(slotCount)
    this.#isSpent = new Uint8Array(slotCount)
    this.#spentGenerations = new Uint32Array(slotCount)
  }

  get stats(): BlockCacheStats {
    return {
      hits: this.tallies[HITS],
      misses: this.tallies[MISSES],
      evictions: this.#evictions,
      usedBytes: this.#usedSlots * BLOCK_BYTES + this.#temporaryBytes,
    }
  }

  /** Makes a file known by its array of places, all NOWHERE; answers its handle. */
  register(places: Int32Array): number {
    const vacant = this.#places.indexOf(null)
    if (vacant === -1) return this.#places.push(places) - 1
    this.#places[vacant] = places
    return vacant
  }

  /** Forgets a file: its blocks, pinned or not, its temporaries and its handle. Its places are NOWHERE afterwards. */
  release(file: number): void {
    const places = this.#placesOf(file)
    for (let block = 0; block < places.length; block++) {
      const place = places[block]
      if (place >= 0) this.#vacate(place)
      else if (place <= FIRST_TEMPORARY) this.#dropTemporary(place)
    }
    this.#places[file] = null
  }

  /** A buffer of at least `length` bytes to read a block into. */
  takeReadBuffer(length: number): Buffer {
    if (length > BLOCK_BYTES) return Buffer.allocUnsafeSlow(length)
    return this.#readBuffers.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
  }

  /** Gives back a read buffer that insert() did not get. */
  giveReadBuffer(buffer: Buffer): void {
    if (buffer.length === BLOCK_BYTES && this.#readBuffers.length < READ_BUFFERS_MAX)
      this.#readBuffers.push(buffer)
  }

  /**
   * Takes in the block that stands, checked, in the first `length` bytes of a read buffer, and the buffer with it. The
   * file's place of the block must be NOWHERE. The block is not pinned.
   */
  insert(
    file: number,
    block: number,
    buffer: Buffer,
    length: number,
    loadedFor: LoadedFor = FOR_LOOKUP,
  ): void {
    const places = this.#placesOf(file)
    assert(places[block] === NOWHERE, 'a block is in the cache once')
    if (this.#temporaryCount > 0) this.#dropUnpinnedTemporaries()
    const slots = Math.ceil(length / BLOCK_BYTES)
    const slot = this.#makeRoom(slots)
    if (slot === NOWHERE) {
      places[block] = this.#keepTemporary({ bytes: buffer, file, block, pins: 0 })
      return
    }
    buffer.copy(this.bytes, slot * BLOCK_BYTES, 0, length)
    this.giveReadBuffer(buffer)
    this.#occupy(slot, slots, file, block)
    this.#loadedFor[slot] = loadedFor
    places[block] = slot
  }

  /**
   * Takes in a copy of the checked block at from[start, start + length), if there is room for it that nothing pins. The
   * file's place of the block must be NOWHERE. The block is not pinned; it counts as used, or the next one that is
   * offered could take its place before anybody has come for it.
   */
  offer(file: number, block: number, from: Buffer, start: number, length: number): void {
    const places = this.#placesOf(file)
    assert(places[block] === NOWHERE, 'a block is in the cache once')
    const slots = Math.ceil(length / BLOCK_BYTES)
    const slot = this.#makeRoom(slots)
    if (slot === NOWHERE) return
    from.copy(this.bytes, slot * BLOCK_BYTES, start, start + length)
    this.#occupy(slot, slots, file, block)
    this.referenced[slot] = 1
    places[block] = slot
  }

  /** The block at this place is not worth keeping: the hand takes it when it comes by, unless it is found before. */
  demote(place: number): void {
    if (place >= 0) this.referenced[place] = 0
  }

  /** What is in this slot was found by a lookup. */
  used(slot: number): void {
    this.referenced[slot] = 1
    this.tallies[HITS]++
  }

  /** Keeps the block at this place, of any file, until as many unpin() calls. */
  pin(place: number): void {
    assert(place !== NOWHERE, 'only a block in memory can be pinned')
    if (place < 0) this.#temporaryAt(place).pins++
    else if (this.#pins[place]++ === 0) this.#pinnedSlots += this.#lengths[place]
  }

  unpin(place: number): void {
    assert(place !== NOWHERE, 'a pinned block is in memory')
    if (place < 0) return this.#unpinTemporary(place)
    assert(this.#pins[place] > 0, 'a block is unpinned as often as it was pinned')
    this.#pins[place]--
    if (this.#pins[place] > 0) return
    this.#pinnedSlots -= this.#lengths[place]
    const loadedFor = this.#loadedFor[place]
    this.#loadedFor[place] = FOR_NOBODY
    // One that was there already is used as often as it was before.
    if (loadedFor === FOR_LOOKUP) this.referenced[place] = 0
    else if (loadedFor === FOR_WALK && this.referenced[place] === 0) this.#spend(place)
  }

  /** A lookup waits for the block at this place too: it is not the walk's alone. */
  wantedByLookup(place: number): void {
    if (place >= 0 && this.#loadedFor[place] === FOR_WALK) this.#loadedFor[place] = FOR_LOOKUP
  }

  /** The buffer at whose start the block with this place, -2 or less, stands. */
  temporary(place: number): Buffer {
    return this.#temporaryAt(place).bytes
  }

  #placesOf(file: number): Int32Array {
    const places = this.#places[file]
    assert(places !== null && places !== undefined, 'the file is registered')
    return places
  }

  /** First of `slots` neighbouring slots, all of them free now; NOWHERE when that cannot be. */
  #makeRoom(slots: number): number {
    if (slots > 1 && slots > this.slotCount * JUMBO_SHARE) return NOWHERE
    if (slots === 1) {
      const slot = this.#takeListed()
      if (slot !== NOWHERE) return slot
      const spent = this.#takeSpent()
      if (spent !== NOWHERE) return spent
    }
    if (this.#fresh + slots <= this.slotCount) {
      this.#fresh += slots
      return this.#fresh - slots
    }
    while (this.#fresh < this.slotCount) this.#list(this.#fresh++)
    return this.slotCount - this.#pinnedSlots < slots ? NOWHERE : this.#sweep(slots)
  }

  #takeListed(): number {
    while (this.#freeCount > 0) {
      const slot = this.#freeSlots[--this.#freeCount]
      this.#isListed[slot] = 0
      if (this.#owners[slot] === FREE) return slot
    }
    return NOWHERE
  }

  #spend(slot: number): void {
    if (this.#lengths[slot] !== 1) return
    this.#spentGenerations[slot] = this.generations[slot]
    if (this.#isSpent[slot] === 1) return
    this.#isSpent[slot] = 1
    this.#spent[(this.#spentFrom + this.#spentCount++) % this.slotCount] = slot
  }

  /** The slot of the oldest spent block, evicted, when there are more of them than are kept. */
  #takeSpent(): number {
    const kept = Math.min(SPENT_KEPT_MAX, this.slotCount * SPENT_KEPT_SHARE)
    while (this.#spentCount > kept) {
      const slot = this.#spent[this.#spentFrom]
      this.#spentFrom = (this.#spentFrom + 1) % this.slotCount
      this.#spentCount--
      this.#isSpent[slot] = 0
      const isStillSpent =
        this.generations[slot] === this.#spentGenerations[slot] &&
        this.#pins[slot] === 0 &&
        this.referenced[slot] === 0
      if (!isStillSpent) continue
      this.#evict(slot)
      // Evicting lists it as free.
      return this.#takeListed()
    }
    return NOWHERE
  }

  #list(slot: number): void {
    if (this.#isListed[slot] === 1) return
    this.#isListed[slot] = 1
    this.#freeSlots[this.#freeCount++] = slot
  }

  /** Moves the hand on until `wanted` slots side by side may go, and evicts what is in them. */
  #sweep(wanted: number): number {
    const patience = wanted * SWEEP_PATIENCE
    const last = patience + 2 * (this.slotCount + wanted)
    let at = this.#hand
    let run = 0
    for (let looked = 0; looked < last;) {
      if (at >= this.slotCount) at = run = 0
      const length = this.#owners[at] === FREE ? 1 : this.#lengths[at]
      run = this.#maySpare(at, looked < patience) ? 0 : run + length
      looked += length
      at += length
      if (run < wanted) continue
      this.#hand = at
      for (let slot = at - run; slot < at; slot++) if (this.#owners[slot] >= 0) this.#evict(slot)
      return at - run
    }
    return NOWHERE
  }

  /** Whether the hand passes over this slot, be it pinned or, while that counts, found since the last time. */
  #maySpare(slot: number, usesCount: boolean): boolean {
    if (this.#owners[slot] === FREE) return false
    if (this.#pins[slot] > 0) return true
    const wasUsed = this.referenced[slot] === 1
    this.referenced[slot] = 0
    return wasUsed && usesCount
  }

  #evict(slot: number): void {
    this.#placesOf(this.#owners[slot])[this.#blocks[slot]] = NOWHERE
    this.#evictions++
    this.#freeRun(slot)
  }

  #occupy(slot: number, slots: number, file: number, block: number): void {
    this.#owners[slot] = file
    this.#blocks[slot] = block
    this.#lengths[slot] = slots
    this.#loadedFor[slot] = FOR_NOBODY
    this.referenced[slot] = 0
    for (let i = 1; i < slots; i++) this.#owners[slot + i] = CONTINUED
    this.#usedSlots += slots
  }

  /** Frees the slots of a block whose file is being forgotten. */
  #vacate(slot: number): void {
    this.#placesOf(this.#owners[slot])[this.#blocks[slot]] = NOWHERE
    if (this.#pins[slot] > 0) this.#pinnedSlots -= this.#lengths[slot]
    this.#pins[slot] = 0
    this.#freeRun(slot)
  }

  #freeRun(slot: number): void {
    const slots = this.#lengths[slot]
    for (let i = 0; i < slots; i++) {
      this.#owners[slot + i] = FREE
      this.generations[slot + i]++
      this.#list(slot + i)
    }
    this.#usedSlots -= slots
  }

  #temporaryAt(place: number): Temporary {
    const temporary = this.#temporaries[FIRST_TEMPORARY - place]
    assert(temporary !== null && temporary !== undefined, 'the place of a temporary names one')
    return temporary
  }

  #keepTemporary(temporary: Temporary): number {
    const vacant = this.#temporaries.indexOf(null)
    const index = vacant === -1 ? this.#temporaries.length : vacant
    this.#temporaries[index] = temporary
    this.#temporaryCount++
    this.#temporaryBytes += temporary.bytes.length
    return FIRST_TEMPORARY - index
  }

  #unpinTemporary(place: number): void {
    const temporary = this.#temporaryAt(place)
    assert(temporary.pins > 0, 'a block is unpinned as often as it was pinned')
    temporary.pins--
    if (temporary.pins === 0) this.#dropTemporary(place)
  }

  /** The buffer is left to the garbage collector: an entry in it may still be in use in this step. */
  #dropTemporary(place: number): void {
    const temporary = this.#temporaryAt(place)
    this.#temporaries[FIRST_TEMPORARY - place] = null
    this.#temporaryCount--
    this.#temporaryBytes -= temporary.bytes.length
    this.#placesOf(temporary.file)[temporary.block] = NOWHERE
  }

  #dropUnpinnedTemporaries(): void {
    for (let i = 0; i < this.#temporaries.length; i++) {
      if (this.#temporaries[i]?.pins === 0) this.#dropTemporary(FIRST_TEMPORARY - i)
    }
  }
}

/** The block cache against a model: what it says it has is there and right, pinned blocks stay, the size holds. */
import t from 'tap'
import { BlockCache, FOR_LOOKUP, FOR_NOBODY, FOR_WALK, NOWHERE } from '../../../src/storage/block-cache.js'
import type { LoadedFor } from '../../../src/storage/block-cache.js'
import { Seeded } from '../../support/seeded.js'

const SLOT_BYTES = 4096
const SEEDS = 300
const STEPS = 400
const BLOCKS_PER_FILE = 24

/** A file as the cache knows it: places, and how often each block is pinned. */
class ModelFile {
  readonly places = new Int32Array(BLOCKS_PER_FILE).fill(NOWHERE)
  readonly pins = new Array<number>(BLOCKS_PER_FILE).fill(0)
  readonly lengths: number[]
  readonly handle: number
  readonly id: number

  constructor(cache: BlockCache, id: number, random: Seeded) {
    this.id = id
    this.lengths = this.pins.map(() =>
      random.chance(5) ? 1 + random.below(6 * SLOT_BYTES) : 1 + random.below(SLOT_BYTES),
    )
    this.handle = cache.register(this.places)
  }
}

class Model {
  readonly cache: BlockCache
  readonly random: Seeded
  files: ModelFile[] = []
  #nextId = 1

  constructor(seed: number) {
    this.random = new Seeded(seed)
    this.cache = new BlockCache(
      this.random.pick([0, 1, 2, 7, 30, 64]) * SLOT_BYTES + this.random.below(2) * 100,
    )
  }

  step(): void {
    const { random, cache } = this
    if (this.files.length === 0 || (this.files.length < 5 && random.chance(20))) {
      this.files.push(new ModelFile(cache, this.#nextId++, random))
      return
    }
    const file = random.pick(this.files)
    const block = random.below(BLOCKS_PER_FILE)
    const place = file.places[block]
    const action = random.below(40)
    if (action === 0) this.#release(file)
    else if (place === NOWHERE) this.#insert(file, block, random.below(3))
    else if (action < 12 && file.pins[block] > 0) this.#unpin(file, block)
    else if (action < 16) this.#pin(file, block)
    else if (place >= 0) cache.referenced[place] = 1
  }

  #release(file: ModelFile): void {
    this.cache.release(file.handle)
    this.files = this.files.filter((other) => other !== file)
    if (!file.places.every((place) => place === NOWHERE)) throw new Error('a released file still has places')
  }

  #insert(file: ModelFile, block: number, pins: number): void {
    const length = file.lengths[block]
    const buffer = this.cache.takeReadBuffer(length)
    buffer.fill(contentOf(file, block), 0, length)
    this.cache.insert(file.handle, block, buffer, length)
    for (let i = 0; i < pins; i++) this.#pin(file, block)
  }

  #pin(file: ModelFile, block: number): void {
    this.cache.pin(file.places[block])
    file.pins[block]++
  }

  #unpin(file: ModelFile, block: number): void {
    this.cache.unpin(file.places[block])
    file.pins[block]--
  }

  /** Releases every file, pinned or not; answers how many slots then take a block, and give it up for another one. */
  slotsLeftAtTheEnd(): number {
    for (const file of [...this.files]) this.#release(file)
    const places = new Int32Array(2 * this.cache.slotCount).fill(NOWHERE)
    const handle = this.cache.register(places)
    places.forEach((_, block) => this.cache.insert(handle, block, this.cache.takeReadBuffer(1), 1))
    return places.subarray(this.cache.slotCount).filter((place) => place >= 0).length
  }

  /** What is wrong now, or null. */
  complaint(): string | null {
    const { cache } = this
    const taken = new Set<number>()
    let usedBytes = 0
    let unpinnedTemporaries = 0
    for (const file of this.files) {
      for (let block = 0; block < BLOCKS_PER_FILE; block++) {
        const place = file.places[block]
        const name = `block ${block} of file ${file.id}`
        if (place === NOWHERE) {
          if (file.pins[block] > 0) return `${name} is pinned and not there`
          continue
        }
        const length = file.lengths[block]
        const bytes = place >= 0 ? cache.bytes.subarray(place * SLOT_BYTES) : cache.temporary(place)
        if (bytes[0] !== contentOf(file, block) || bytes[length - 1] !== bytes[0])
          return `${name} has foreign bytes`
        if (place < 0) {
          usedBytes += bytes.length
          if (file.pins[block] === 0) unpinnedTemporaries++
          continue
        }
        for (let slot = place; slot < place + Math.ceil(length / SLOT_BYTES); slot++) {
          if (slot >= cache.slotCount || taken.has(slot)) return `${name} shares a slot`
          taken.add(slot)
        }
      }
    }
    if (unpinnedTemporaries > 1) return 'more than one temporary without a pin'
    usedBytes += taken.size * SLOT_BYTES
    return usedBytes === cache.stats.usedBytes
      ? null
      : `it says ${cache.stats.usedBytes} bytes, not ${usedBytes}`
  }
}

function contentOf(file: ModelFile, block: number): number {
  return (file.id * 31 + block * 7) & 0xff
}

t.test('random loads, pins, hits and retired files leave the cache true to its model', (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const model = new Model(seed)
    for (let step = 0; step < STEPS; step++) {
      model.step()
      const complaint = model.complaint()
      if (complaint === null) continue
      t.fail(`seed ${seed}, step ${step}: ${complaint}`)
      break
    }
    const slots = model.slotsLeftAtTheEnd()
    if (slots !== model.cache.slotCount) t.fail(`seed ${seed}: only ${slots} slots are left at the end`)
  }
  t.pass(`${SEEDS} seeds of ${STEPS} steps`)
  t.end()
})

/** A cache of `slots` slots with one file of `blocks` blocks of `slotsEach` slots, and how to bring one in. */
function oneFile(slots: number, blocks: number, slotsEach = 1) {
  const cache = new BlockCache(slots * SLOT_BYTES)
  const places = new Int32Array(blocks).fill(NOWHERE)
  const file = cache.register(places)
  const insert = (block: number) => {
    const length = slotsEach * SLOT_BYTES
    cache.insert(file, block, cache.takeReadBuffer(length), length)
  }
  const present = () => [...places.keys()].filter((block) => places[block] !== NOWHERE)
  return { cache, places, file, insert, present }
}

t.test('a block found since the hand came by is spared, the others go in turn', (t) => {
  const { cache, places, insert, present } = oneFile(4, 10)
  for (let block = 0; block < 4; block++) insert(block)
  cache.referenced[places[0]] = 1
  cache.referenced[places[2]] = 1
  insert(4)
  insert(5)
  t.strictSame(present(), [0, 2, 4, 5])
  t.equal(cache.stats.evictions, 2)
  insert(6)
  t.strictSame(present(), [2, 4, 5, 6], 'spared once only')
  t.end()
})

t.test('the use that a block was loaded for does not keep it', (t) => {
  const { cache, places, insert, present } = oneFile(2, 4)
  insert(0)
  cache.pin(places[0])
  cache.referenced[places[0]] = 1
  cache.unpin(places[0])
  insert(1)
  cache.referenced[places[1]] = 1
  insert(2)
  t.strictSame(present(), [1, 2])
  t.end()
})

t.test('a jumbo block takes neighbouring slots and is evicted like the others', (t) => {
  const { cache, places, insert, present } = oneFile(12, 8, 3)
  for (let block = 0; block < 4; block++) insert(block)
  t.equal(cache.stats.usedBytes, 12 * SLOT_BYTES)
  t.strictSame([...places.subarray(0, 4)], [0, 3, 6, 9])
  insert(4)
  insert(5)
  t.strictSame(present(), [2, 3, 4, 5])
  t.equal(cache.stats.usedBytes, 12 * SLOT_BYTES)
  t.end()
})

t.test('a jumbo block above its share of the cache stays only while it is pinned', (t) => {
  const { cache, places, insert, present } = oneFile(12, 2, 4)
  insert(0)
  t.ok(places[0] < NOWHERE)
  cache.pin(places[0])
  insert(1)
  t.strictSame(present(), [0, 1])
  cache.unpin(places[0])
  t.strictSame(present(), [1])
  t.equal(cache.temporary(places[1]).length, 4 * SLOT_BYTES)
  t.end()
})

t.test('slots of a released file serve before anything is evicted', (t) => {
  const { cache, insert, present } = oneFile(6, 8)
  const other = new Int32Array(4).fill(NOWHERE)
  const handle = cache.register(other)
  for (let block = 0; block < 3; block++) insert(block)
  for (let block = 0; block < 3; block++) cache.insert(handle, block, cache.takeReadBuffer(10), 10)
  cache.release(handle)
  for (let block = 3; block < 6; block++) insert(block)
  t.strictSame(present(), [0, 1, 2, 3, 4, 5])
  t.equal(cache.stats.evictions, 0)
  t.equal(cache.register(new Int32Array(1)), handle, 'its handle is free as well')
  t.end()
})

t.test('misuse is a bug that is caught', (t) => {
  const { cache, places, insert, file } = oneFile(2, 2)
  t.throws(() => cache.pin(places[0]), /in memory/)
  insert(0)
  t.throws(() => insert(0), /once/)
  t.throws(() => cache.unpin(places[0]), /as often/)
  cache.release(file)
  t.throws(() => insert(1), /registered/)
  t.throws(() => new BlockCache(2 ** 33), /block cache has/)
  t.end()
})

/** Lookups of `hot` blocks, some of them rarely, while a walk goes over ten times what the cache holds. Answers the misses. */
function hotMisses(loadedFor: LoadedFor): number {
  const slots = 128
  const hot = 64
  const walked = 10 * slots
  const cache = new BlockCache(slots * SLOT_BYTES)
  const hotPlaces = new Int32Array(hot).fill(NOWHERE)
  const coldPlaces = new Int32Array(walked).fill(NOWHERE)
  const hotFile = cache.register(hotPlaces)
  const coldFile = cache.register(coldPlaces)
  const insert = (file: number, places: Int32Array, block: number, forWhom: LoadedFor) => {
    cache.insert(file, block, cache.takeReadBuffer(SLOT_BYTES), SLOT_BYTES, forWhom)
    cache.pin(places[block])
    cache.unpin(places[block])
  }
  for (let block = 0; block < hot; block++) insert(hotFile, hotPlaces, block, FOR_LOOKUP)
  let misses = 0
  for (let block = 0; block < walked; block++) {
    insert(coldFile, coldPlaces, block, loadedFor)
    // Each hot block is asked for once in 512 blocks of the walk, less often than the hand comes round.
    if (block % 8 !== 0) continue
    const asked = (block / 8) % hot
    if (hotPlaces[asked] === NOWHERE) {
      misses++
      insert(hotFile, hotPlaces, asked, FOR_LOOKUP)
    }
    cache.used(hotPlaces[asked])
  }
  return misses
}

t.test('a walk over ten times the cache displaces nothing that is asked for now and then', (t) => {
  t.equal(hotMisses(FOR_WALK), 0)
  t.ok(hotMisses(FOR_LOOKUP) > 40, 'as if the walk were lookups, it would')
  t.end()
})

t.test('what a walk brought in and a lookup has found is kept as if the lookup had brought it in', (t) => {
  const cache = new BlockCache(32 * SLOT_BYTES)
  const places = new Int32Array(200).fill(NOWHERE)
  const file = cache.register(places)
  const walk = (block: number) => {
    cache.insert(file, block, cache.takeReadBuffer(SLOT_BYTES), SLOT_BYTES, FOR_WALK)
    cache.pin(places[block])
    cache.unpin(places[block])
  }
  walk(0)
  cache.used(places[0])
  walk(1)
  for (let block = 2; block < 40; block++) walk(block)
  t.not(places[0], NOWHERE, 'it was found')
  t.equal(places[1], NOWHERE, 'it was not')
  t.not(places[39], NOWHERE, 'the last ones are there for the next step')
  t.not(places[38], NOWHERE)
  t.end()
})

t.test('a walk that comes to a block which is there leaves its use as it was', (t) => {
  const cache = new BlockCache(2 * SLOT_BYTES)
  const places = new Int32Array(3).fill(NOWHERE)
  const file = cache.register(places)
  for (let block = 0; block < 2; block++)
    cache.insert(file, block, cache.takeReadBuffer(SLOT_BYTES), SLOT_BYTES, FOR_NOBODY)
  cache.used(places[0])
  cache.pin(places[0])
  cache.unpin(places[0])
  t.equal(cache.referenced[places[0]], 1)
  t.end()
})

/** Pages shared until written, against one plain array. */
import t from 'tap'
import { PAGE_BYTES, PagedBytes } from '../../../../src/sim/disk/paged-bytes.js'
import { SimRandom } from '../../../../src/sim/sim-random.js'

const SEEDS = 50
const STEPS = 100
const SIZE_MAX = 5 * PAGE_BYTES

function contentOf(paged: PagedBytes): Buffer {
  return Buffer.from(paged.slice(0, paged.sizeBytes))
}

t.test('writes, cuts, growth and clones match a plain array, and clones never see each other', async (t) => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const random = new SimRandom(seed)
    const pairs = [{ paged: new PagedBytes(), plain: Buffer.alloc(0) }]
    for (let step = 0; step < STEPS; step++) {
      const pair = random.pick(pairs)
      const position = random.below(SIZE_MAX)
      switch (random.below(4)) {
        case 0:
          pair.paged.resize(position)
          pair.plain = Buffer.concat([pair.plain, Buffer.alloc(SIZE_MAX)]).subarray(0, position)
          break
        case 1:
          if (pairs.length < 4) pairs.push({ paged: pair.paged.clone(), plain: Buffer.from(pair.plain) })
          break
        default: {
          const bytes = Buffer.alloc(random.between(1, 2 * PAGE_BYTES), random.between(1, 255))
          pair.paged.write(bytes, 0, bytes.length, position)
          const size = Math.max(pair.plain.length, position + bytes.length)
          pair.plain = Buffer.concat([pair.plain, Buffer.alloc(size - pair.plain.length)])
          bytes.copy(pair.plain, position)
        }
      }
    }
    const wrong = pairs.filter(({ paged, plain }) => Buffer.compare(contentOf(paged), plain) !== 0)
    t.equal(wrong.length, 0, `seed ${seed}`)
  }
})

t.test('only written pages take room', async (t) => {
  const paged = new PagedBytes()
  paged.resize(100 * PAGE_BYTES)
  t.equal(paged.allocatedBytes, 0)
  t.equal(paged.missingBytes(PAGE_BYTES - 1, 2), 2 * PAGE_BYTES)
  t.equal(paged.missingBytes(0, 0), 0)
  paged.write(new Uint8Array(2), 0, 2, PAGE_BYTES - 1)
  t.equal(paged.allocatedBytes, 2 * PAGE_BYTES)
  t.equal(paged.missingBytes(0, 3 * PAGE_BYTES), PAGE_BYTES)
  paged.resize(PAGE_BYTES)
  t.equal(paged.allocatedBytes, PAGE_BYTES)
})

t.test('a taken page is shared until one side writes', async (t) => {
  const from = new PagedBytes()
  from.write(new Uint8Array(PAGE_BYTES).fill(1), 0, PAGE_BYTES, 0)
  const to = new PagedBytes()
  to.takePage(0, from)
  to.resize(PAGE_BYTES)
  from.write(new Uint8Array([2]), 0, 1, 0)
  t.equal(to.slice(0, 1)[0], 1)
  to.write(new Uint8Array([3]), 0, 1, 1)
  t.same([...from.slice(0, 2)], [2, 1])
  t.equal(to.allocatedBytes, PAGE_BYTES)
})

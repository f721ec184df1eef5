import t from 'tap'
import { WASM_FROM_BYTES, xxh32 } from '../../../src/util/xxhash.js'
import { wasmXxh32 } from '../../../src/util/xxhash-wasm.js'

const SEEDS = [0, 1, 2, 0x7fffffff, -1, 0x9e3779b1 | 0]

/** Bytes without a pattern, the same in each run. */
function noise(memory: Buffer): Buffer {
  let state = 12345
  for (let i = 0; i < memory.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    memory[i] = state >>> 16
  }
  return memory
}

const MEMORIES = {
  'ordinary memory': noise(Buffer.alloc(4096)),
  'a shared array': noise(Buffer.from(new SharedArrayBuffer(4096))),
  'a view at an odd offset': noise(Buffer.from(new ArrayBuffer(4200), 77, 4096)),
}

t.test('xxHash32 gives the published values', async (t) => {
  const hash = (text: string, seed = 0) => xxh32(Buffer.from(text), 0, Buffer.byteLength(text), seed) >>> 0
  t.equal(hash(''), 0x02cc5d05)
  t.equal(hash('a'), 0x550d7456)
  t.equal(hash('abc'), 0x32d153ff)
  t.equal(hash('Nobody inspects the spammish repetition'), 0xe2293b2f)
  t.equal(hash('', 0x9e3779b1), 0x36b78ae7)
})

for (const [name, memory] of Object.entries(MEMORIES)) {
  t.test(
    `in ${name} it agrees with xxhash-wasm for every length to 300, every seed and several offsets`,
    async (t) => {
      const wrong: string[] = []
      for (let length = 0; length <= 300; length++) {
        for (const seed of SEEDS) {
          for (const start of [0, 1, 7, 1000]) {
            const ours = xxh32(memory, start, start + length, seed)
            if (ours !== wasmXxh32(memory, start, start + length, seed))
              wrong.push(`${length} ${seed} ${start}`)
          }
        }
      }
      t.same(wrong, [])
    },
  )

  t.test(
    `in ${name} lengths around the change to WebAssembly agree with a reading from the specification`,
    async (t) => {
      const wrong: number[] = []
      for (let length = WASM_FROM_BYTES - 40; length <= WASM_FROM_BYTES + 40; length++) {
        if (xxh32(memory, 3, 3 + length, 7) >>> 0 !== reference(memory.subarray(3, 3 + length), 7))
          wrong.push(length)
      }
      t.same(wrong, [])
    },
  )
}

t.test('inputs beyond the chunk that WebAssembly gets at once hash like one piece', async (t) => {
  for (const length of [65_535, 65_536, 65_537, 131_072, 200_001]) {
    for (const memory of [Buffer.alloc(length + 3), Buffer.from(new SharedArrayBuffer(length + 3))]) {
      noise(memory)
      t.equal(xxh32(memory, 3, 3 + length, 9) >>> 0, reference(memory.subarray(3), 9), `${length} bytes`)
    }
  }
})

t.test('results are signed 32-bit integers, and a seed above 2^31 counts as its bits', async (t) => {
  const bytes = MEMORIES['ordinary memory']
  for (const length of [0, 5, 20, WASM_FROM_BYTES]) {
    t.equal(xxh32(bytes, 0, length, 0) | 0, xxh32(bytes, 0, length, 0))
    t.equal(xxh32(bytes, 0, length, 0xffffffff), xxh32(bytes, 0, length, -1))
  }
})

/** XXH32 word for word from the specification, over unsigned BigInts: slow and plain. */
function reference(bytes: Uint8Array, seed: number): number {
  const [p1, p2, p3, p4, p5] = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn, 0x27d4eb2fn, 0x165667b1n]
  const u32 = (x: bigint) => BigInt.asUintN(32, x)
  const rotl = (x: bigint, r: bigint) => u32((x << r) | (u32(x) >> (32n - r)))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const word = (at: number) => BigInt(view.getUint32(at, true))
  const s = BigInt(seed)
  let at = 0
  let h = u32(s + p5)
  if (bytes.length >= 16) {
    const lanes = [u32(s + p1 + p2), u32(s + p2), s, u32(s - p1)]
    for (; at + 16 <= bytes.length; at += 16) {
      for (let lane = 0; lane < 4; lane++) {
        lanes[lane] = u32(rotl(u32(lanes[lane] + word(at + lane * 4) * p2), 13n) * p1)
      }
    }
    h = u32(rotl(lanes[0], 1n) + rotl(lanes[1], 7n) + rotl(lanes[2], 12n) + rotl(lanes[3], 18n))
  }
  h = u32(h + BigInt(bytes.length))
  for (; at + 4 <= bytes.length; at += 4) h = u32(rotl(u32(h + word(at) * p3), 17n) * p4)
  for (; at < bytes.length; at++) h = u32(rotl(u32(h + BigInt(bytes[at]) * p5), 11n) * p1)
  h = u32((h ^ (h >> 15n)) * p2)
  h = u32((h ^ (h >> 13n)) * p3)
  return Number(h ^ (h >> 16n))
}

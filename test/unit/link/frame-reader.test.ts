/** Cutting a stream into frames, whatever comes and however it is cut. */
import fc from 'fast-check'
import t from 'tap'
import type { CloseReason } from '../../../src/link/close-reason.js'
import { BATCH, FRAME_HEADER_BYTES, PING, sealFrame } from '../../../src/link/frame-format.js'
import { FrameReader } from '../../../src/link/frame-reader.js'
import { FRAME_BYTES_MAX } from '../../../src/link/limits.js'

const SEED = 1234567
const SMALLEST_BUFFER = 4096
const SHARED = Buffer.alloc(256 * 1024)

interface Frame {
  readonly type: number
  readonly body: Buffer
  readonly sequence: number
  readonly hlc: number
}

function frame({ type, body, sequence, hlc }: Frame, seed = SEED): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), body])
  sealFrame(bytes, 0, bytes.length, type, sequence, hlc, seed)
  return bytes
}

/** Reads as a stream does: into the shared buffer, which is overwritten afterwards, or where the reader wants it. */
class Feeder {
  readonly frames: Frame[] = []
  reason: CloseReason | null = null
  arrived = 0
  readonly reader = new FrameReader(SEED, {
    onFrame: (type, bytes, start, end, sequence, hlc) => {
      this.frames.push({ type, body: Buffer.from(bytes.subarray(start, end)), sequence, hlc })
      return null
    },
  })
  #target: Buffer | null = null

  feed(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length && this.reason === null) {
      const target = this.#target ?? SHARED
      const length = bytes.copy(target, 0, at)
      at += length
      this.arrived += length
      this.reason = this.reader.receive(target, 0, length)
      if (target === SHARED) SHARED.fill(0xdd, 0, length)
      if (this.reader.capacityBytes > Math.max(SMALLEST_BUFFER, 2 * this.arrived)) {
        throw new Error(`${this.reader.capacityBytes} bytes held for ${this.arrived} that came`)
      }
      if (this.reader.capacityBytes > FRAME_BYTES_MAX) throw new Error('more than a frame is held')
      this.#target = this.reader.nextBuffer()
    }
  }
}

const frames = fc.array(
  fc.record(
    {
      type: fc.integer({ min: 1, max: 7 }),
      body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
      hlc: fc.maxSafeNat(),
    },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 8 },
)

function streamOf(all: readonly Frame[]): Buffer {
  return Buffer.concat(all.map((one) => frame(one)))
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((at) => at % bytes.length).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

t.test('frames come out as they went in, wherever the stream is cut', async (t) => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat()), (all, cuts) => {
      const feeder = new Feeder()
      for (const part of cut(streamOf(all), cuts)) feeder.feed(part)
      t.equal(feeder.reason, null)
      t.strictSame(feeder.frames, all)
      t.equal(feeder.reader.heldBytes, 0)
    }),
    { numRuns: 100 },
  )
})

t.test('and when it is cut at every byte', async (t) => {
  const all = [
    { type: PING, body: Buffer.alloc(0), sequence: 0, hlc: 0 },
    { type: BATCH, body: Buffer.from('some messages'), sequence: 0xffff_ffff, hlc: Number.MAX_SAFE_INTEGER },
    { type: BATCH, body: Buffer.alloc(1000, 'x'), sequence: 1, hlc: 1 },
  ]
  const stream = streamOf(all)
  for (let at = 0; at <= stream.length; at++) {
    const feeder = new Feeder()
    feeder.feed(stream.subarray(0, at))
    feeder.feed(stream.subarray(at))
    if (feeder.frames.length !== 3 || feeder.reason !== null) t.fail(`cut at ${at}`)
  }
  const single = new Feeder()
  for (const byte of stream) single.feed(Buffer.from([byte]))
  t.strictSame(single.frames, all)
})

t.test('frames of the largest size come through, in small pieces too', async (t) => {
  const body = Buffer.from(Array.from({ length: FRAME_BYTES_MAX - FRAME_HEADER_BYTES }, (_, i) => i & 0xff))
  const large = { type: BATCH, body, sequence: 1, hlc: 1 }
  for (const step of [1000, 4096, 70_000]) {
    const feeder = new Feeder()
    const stream = streamOf([large, large])
    for (let at = 0; at < stream.length; at += step) feeder.feed(stream.subarray(at, at + step))
    t.equal(feeder.frames.length, 2)
    t.ok(feeder.frames.every((one) => one.body.equals(body)))
    feeder.reader.release()
    t.equal(feeder.reader.capacityBytes, 0)
  }
})

t.test(
  'a changed stream gives a prefix of its frames, then a reason or silence, and throws nothing',
  async (t) => {
    const reasons = new Set<CloseReason | null>()
    fc.assert(
      fc.property(
        frames,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.array(fc.nat()),
        (all, where, how, cuts) => {
          const stream = streamOf(all)
          const at = where % stream.length
          stream[at] ^= how
          const feeder = new Feeder()
          for (const part of cut(stream, cuts)) feeder.feed(part)
          reasons.add(feeder.reason)
          let before = 0
          for (let end = 0; before < all.length; before++) {
            end += FRAME_HEADER_BYTES + all[before].body.length
            if (end > at) break
          }
          t.strictSame(feeder.frames, all.slice(0, before))
        },
      ),
      { numRuns: 300 },
    )
    for (const reason of ['checksum', 'malformed', 'oversized'] as const) t.ok(reasons.has(reason), reason)
  },
)

t.test('random bytes throw nothing and hold no more than came', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (parts) => {
      const feeder = new Feeder()
      for (const part of parts) feeder.feed(Buffer.from(part))
      t.strictSame(feeder.frames, [])
    }),
    { numRuns: 300 },
  )
})

t.test('a declared length is refused or waited for, never allocated', async (t) => {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  header.writeUInt32LE(FRAME_BYTES_MAX - FRAME_HEADER_BYTES)
  const waiting = new Feeder()
  waiting.feed(header)
  t.equal(waiting.reason, null)
  t.equal(waiting.reader.capacityBytes, SMALLEST_BUFFER)
  for (const length of [FRAME_BYTES_MAX - FRAME_HEADER_BYTES + 1, 0x7fff_ffff, 0xffff_ffff]) {
    header.writeUInt32LE(length)
    const feeder = new Feeder()
    feeder.feed(header)
    t.equal(feeder.reason, 'oversized')
    t.equal(feeder.reader.capacityBytes, 0)
  }
})

t.test('a frame of another connection or direction does not pass', async (t) => {
  const feeder = new Feeder()
  feeder.feed(frame({ type: PING, body: Buffer.from('x'), sequence: 0, hlc: 1 }, SEED + 1))
  t.equal(feeder.reason, 'checksum')
})

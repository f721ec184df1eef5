/**
 * One engine in a process of its own, whose memory `npm run bench -- beyond-memory` holds: loads every key once in random
 * order, waits until the engine rests, and gets keys by Zipf's law, one after the other. Arguments: engine, folder, keys,
 * gets. Prints one line of JSON, a ChildReport.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ClassicLevel } from 'classic-level'
import { open } from 'lmdb'
import { shuffled } from '../load/fill.js'
import { seededRandom } from '../load/requests.js'
import { bytesWritten } from '../measure/process-facts.js'
import { MB } from '../measure/units.js'
import { bytesOnDisk } from './directory-size.js'
import { KindredEngine } from './kindred-engine.js'
import { Zipf } from './zipf.js'

const VALUE_BYTES = 1024
const CACHE_BYTES = 512 * MB
const KEY_DIGITS = 16
const BATCH = 100
const REST_MS = 2000
const NOISE_BYTES = 1 << 20

export interface ChildReport {
  readonly putsPerSecond: number
  readonly getsPerSecond: number
  readonly p99Us: number
  readonly diskBytes: number
  readonly writtenBytes: number
}

/** What all engines are asked to do. */
interface Subject {
  put(keys: readonly Buffer[], values: readonly Buffer[]): Promise<void>
  /** A copy of the value. */
  get(key: Buffer): Promise<Buffer | undefined> | Buffer | undefined
  rest(): Promise<void>
  close(): Promise<void>
}

async function kindred(directory: string): Promise<Subject> {
  const engine = await KindredEngine.open(directory, 'no', {
    blockCacheBytes: CACHE_BYTES,
    compression: { tables: 'lz4', deepest: 'zstd' },
  })
  return {
    put: (keys, values) => engine.putAll(keys, values),
    get: (key) => engine.get(key),
    rest: () => engine.settle(),
    close: () => engine.close(),
  }
}

/** lmdb has no cache of its own: the page cache that the group leaves it. */
function lmdb(directory: string): Subject {
  const database = open<Buffer, Buffer>({ path: directory, keyEncoding: 'binary', encoding: 'binary' })
  return {
    async put(keys, values) {
      await database.transaction(() => keys.forEach((key, i) => void database.put(key, values[i])))
    },
    get: (key) => database.get(key),
    rest: async () => void (await database.flushed),
    close: () => database.close(),
  }
}

async function level(directory: string): Promise<Subject> {
  const database = new ClassicLevel<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    cacheSize: CACHE_BYTES,
    writeBufferSize: 128 * MB,
  })
  await database.open()
  return {
    put: (keys, values) => database.batch(keys.map((key, i) => ({ type: 'put', key, value: values[i] }))),
    get: (key) => database.getSync(key),
    rest: () => sleep(REST_MS),
    close: () => database.close(),
  }
}

/** Half of each value is noise, the other half repeats: what JSON is to a compressor, about. */
const noise = readNoise()

function readNoise(): Buffer {
  const random = seededRandom(5)
  return Buffer.from(Array.from({ length: NOISE_BYTES + VALUE_BYTES }, () => Math.floor(random() * 256)))
}

function valueOf(key: number): Buffer {
  const value = Buffer.alloc(VALUE_BYTES, 'kindred ')
  const at = (key * 97) % NOISE_BYTES
  noise.copy(value, 0, at, at + VALUE_BYTES / 2)
  return value
}

function keyOf(key: number): Buffer {
  return Buffer.from(String(key).padStart(KEY_DIGITS, '0'), 'latin1')
}

async function main([name, directory, keyCount, getCount]: readonly string[]): Promise<void> {
  const keys = Number(keyCount)
  const gets = Number(getCount)
  const subject =
    name === 'kindred' ? await kindred(directory) : name === 'lmdb' ? lmdb(directory) : await level(directory)
  const order = shuffled(keys)
  const began = performance.now()
  for (let next = 0; next < keys; next += BATCH) {
    const batch = Array.from(order.subarray(next, next + BATCH))
    await subject.put(batch.map(keyOf), batch.map(valueOf))
  }
  const putsPerSecond = (keys * 1000) / (performance.now() - began)
  await subject.rest()
  const report = { putsPerSecond, diskBytes: bytesOnDisk(directory), writtenBytes: bytesWritten(process.pid) }
  const zipf = new Zipf(keys, seededRandom(7))
  for (let i = 0; i < gets / 4; i++) await subject.get(keyOf(zipf.next()))
  const times = new Float64Array(gets)
  const readsBegan = performance.now()
  for (let i = 0; i < gets; i++) {
    const key = keyOf(zipf.next())
    const before = performance.now()
    const answer = subject.get(key)
    const value = answer instanceof Promise ? await answer : answer
    times[i] = performance.now() - before
    if (value?.length !== VALUE_BYTES) throw new Error(`${name} misses ${key.toString()}`)
  }
  const getsPerSecond = (gets * 1000) / (performance.now() - readsBegan)
  const p99Us = times.sort()[Math.floor(gets * 0.99)] * 1000
  await subject.close()
  console.log(JSON.stringify({ ...report, getsPerSecond, p99Us } satisfies ChildReport))
}

await main(process.argv.slice(2))

/**
 * Writers that never write a key twice and remember what was acknowledged, so that after a crash every acknowledged key can
 * be asked for with its exact value. Replies of a connection come in order: a count per writer is all it takes to know
 * which of its writes were acknowledged. What was sent but not acknowledged may be there, whole, or not.
 *
 * A key's value follows from its name. Most writes are a SET, some an MSET of three keys, which has to survive whole.
 */
import { encodeCommand } from './resp-frames.js'
import { Seeded } from './seeded.js'
import { WireClient } from './wire-client.js'

const PIPELINE_MAX = 64
const MSET_KEYS = 3
/** Keys per MGET when they are read back. */
const READ_KEYS = 100
const VALUE_BYTES_SMALL = 300
const VALUE_BYTES_LARGE = 20_000
/** Larger than the smallest segment. */
const VALUE_BYTES_HUGE = 1_500_000

/** One writer's keys in one round: writes [0, acknowledged) must be there, [acknowledged, sent) may be. */
export interface Written {
  readonly prefix: string
  sent: number
  acknowledged: number
}

/**
 * Writes over `connections` connections until `enough` writes are acknowledged in all, calls `crash` while further ones
 * are on their way, and resolves once all connections are gone. Rejects when a write is refused.
 */
export async function writeUntilCrash(
  port: number,
  options: {
    readonly name: string
    readonly connections: number
    readonly enough: number
    readonly seed: number
  },
  crash: () => Promise<void>,
): Promise<Written[]> {
  let acknowledged = 0
  const crashes: Promise<void>[] = []
  const counted = (): void => {
    acknowledged++
    if (acknowledged === options.enough) crashes.push(crash())
  }
  const writers = await Promise.all(
    Array.from({ length: options.connections }, async (_, i) => {
      const client = await WireClient.open(port)
      const written: Written = { prefix: `${options.name}:${i}`, sent: 0, acknowledged: 0 }
      return { client, written, random: new Seeded(options.seed + i) }
    }),
  )
  const outcomes = await Promise.allSettled(
    writers.map(({ client, written, random }) => write(client, written, random, counted)),
  )
  await Promise.all(crashes)
  for (const { client } of writers) client.close()
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return writers.map(({ written }) => written)
}

/** Ends when the connection does. */
async function write(
  client: WireClient,
  written: Written,
  random: Seeded,
  acknowledged: () => void,
): Promise<void> {
  for (;;) {
    const count = 1 + random.below(PIPELINE_MAX)
    const requests = Array.from({ length: count }, (_, i) => writeOf(written.prefix, written.sent + i))
    written.sent += count
    void client.send(Buffer.concat(requests.map((args) => encodeCommand(args).bytes)))
    for (let i = 0; i < count; i++) {
      const reply = await client.replyOrEnd()
      if (reply === null) return
      if (reply.toString('latin1') !== '+OK\r\n')
        throw new Error(`a write was answered ${reply.toString('latin1')}`)
      written.acknowledged++
      acknowledged()
    }
  }
}

/** Request number `n` of a writer. */
function writeOf(prefix: string, n: number): Buffer[] {
  const words: Buffer[] = [Buffer.from(n % 10 === 0 ? 'MSET' : 'SET')]
  for (const key of keysOf(prefix, n)) words.push(Buffer.from(key), valueOf(key))
  return words
}

function keysOf(prefix: string, n: number): string[] {
  const key = `${prefix}:${n}`
  return n % 10 === 0 ? Array.from({ length: MSET_KEYS }, (_, i) => `${key}:${i}`) : [key]
}

function valueOf(key: string): Buffer {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) >>> 0
  if (hash % 3000 === 0) return Buffer.alloc(VALUE_BYTES_HUGE, key)
  const bytes = hash % 50 === 0 ? VALUE_BYTES_LARGE : VALUE_BYTES_SMALL
  return Buffer.alloc(hash % bytes, key)
}

/** What is wrong with what a node has of these writes: acknowledged ones that are missing, wrong values, MSETs in part. */
export async function problemsOf(port: number, all: readonly Written[]): Promise<string[]> {
  const client = await WireClient.open(port)
  const problems: string[] = []
  for (const written of all) {
    const missing = { acknowledged: 0, first: '' }
    for (let first = 0; first < written.sent; first += READ_KEYS) {
      const numbers = Array.from({ length: Math.min(READ_KEYS, written.sent - first) }, (_, i) => first + i)
      const values = await mget(
        client,
        numbers.flatMap((n) => keysOf(written.prefix, n)),
      )
      for (const n of numbers) {
        const keys = keysOf(written.prefix, n)
        const found = keys.filter((key) => values.get(key) !== null)
        const wrong = found.filter((key) => values.get(key)?.equals(valueOf(key)) !== true)
        if (wrong.length > 0) problems.push(`${wrong.join()} has a wrong value`)
        if (found.length > 0 && found.length < keys.length)
          problems.push(`of ${keys.join()} only ${found.join()}`)
        if (found.length > 0 || n >= written.acknowledged) continue
        if (missing.acknowledged++ === 0) missing.first = keys[0]
      }
    }
    if (missing.acknowledged > 0)
      problems.push(
        `${missing.acknowledged} of ${written.acknowledged} acknowledged writes of ${written.prefix} are missing, first ${missing.first}`,
      )
  }
  client.close()
  return problems
}

async function mget(client: WireClient, keys: readonly string[]): Promise<Map<string, Buffer | null>> {
  const values = await client.bulks('MGET', ...keys)
  return new Map(keys.map((key, i) => [key, values[i]]))
}

/**
 * RENAME, RENAMENX and COPY between slots, on a plain port: the keys have different homes, so there is no one step that does it.
 *
 *     1  the source is read with its time to live, by as many replicas as the level asks for
 *     2  the destination is written; only where there is nothing, for RENAMENX and for COPY without REPLACE
 *     3  the source is deleted, if it still holds what was read
 *
 * This is not atomic: others see both keys between 2 and 3, and a source that was written meanwhile stays. No value is lost
 * on the way: what fails after step 2 has left it under both keys, and says -UNCERTAIN.
 */
import { SubRequestError, bulkIn, integerIn } from './sub-requests.js'
import type { SubRequests } from './sub-requests.js'

/** A source that is written all the time is read so often; then it is given up. */
const READS_MAX = 10
const NO_KEY = -2
const NO_EXPIRY = -1
const CHANGES = 'NOREPLICAS The source is written too often to be read with its time to live.'

/** What came of it: false when the source does not exist, or the destination does and must not be replaced. */
export type Moved = 'done' | 'no-source' | 'destination-exists'

/** What is needed of the sub-requests. */
export type Asker = Pick<SubRequests, 'ask'>

interface Source {
  readonly value: Buffer
  /** Milliseconds since 1970; -1 for none. */
  readonly expireAtMs: number
}

/** COPY: steps 1 and 2. Rejects with SubRequestError. */
export async function copyKey(
  requests: Asker,
  source: Buffer,
  destination: Buffer,
  replaces: boolean,
): Promise<Moved> {
  const read = await readSource(requests, source)
  return read === null ? 'no-source' : writeDestination(requests, destination, read, replaces)
}

/** RENAME and RENAMENX. Rejects with SubRequestError. */
export async function renameKey(
  requests: Asker,
  source: Buffer,
  destination: Buffer,
  replaces: boolean,
): Promise<Moved> {
  const read = await readSource(requests, source)
  if (read === null) return 'no-source'
  const moved = await writeDestination(requests, destination, read, replaces)
  if (moved !== 'done') return moved
  try {
    // One that holds something else by now was written after it was renamed, as far as anybody can tell.
    await requests.ask('DELIFEQ', source, read.value)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new SubRequestError(`UNCERTAIN the new key is written, the old one may still be there: ${why}`)
  }
  return 'done'
}

/** Value and time to live as they were together: the time is the same before and after the value was read. */
async function readSource(requests: Asker, source: Buffer): Promise<Source | null> {
  let expireAtMs = integerIn(await requests.ask('PEXPIRETIME', source))
  for (let reads = 0; reads < READS_MAX; reads++) {
    if (expireAtMs === NO_KEY) return null
    const value = bulkIn(await requests.ask('GET', source))
    const again = integerIn(await requests.ask('PEXPIRETIME', source))
    if (value !== null && again === expireAtMs) return { value, expireAtMs }
    expireAtMs = again
  }
  throw new SubRequestError(CHANGES)
}

async function writeDestination(
  requests: Asker,
  destination: Buffer,
  { value, expireAtMs }: Source,
  replaces: boolean,
): Promise<Moved> {
  const condition = replaces ? [] : ['NX']
  const expiry = expireAtMs === NO_EXPIRY ? [] : ['PXAT', String(expireAtMs)]
  const reply = await requests.ask('SET', destination, value, ...condition, ...expiry)
  return reply[0] === 0x2b ? 'done' : 'destination-exists'
}

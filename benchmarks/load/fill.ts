/**
 * Fills a server with every key of a key space once, in a random order, as fast as it takes them: a few connections, a
 * window of requests on each. An order by number would suit no engine's keys and every engine's disk.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Requests, seededRandom } from './requests.js'

const CONNECTIONS = 8
const BATCH = 256
const SEED = 7
const RETRY_MS = 200
/** For each connection; more is no passing trouble. */
const RETRIES_MAX = 50

/**
 * Answers how long it took, in seconds. An error reply ends it, unless `onRefused` is given (with the error's text): then the batch
 * is sent again a little later, as an application would. That is for clusters, whose nodes may have to find each other first.
 */
export async function fill(
  port: number,
  keys: number,
  valueBytes: number,
  onRefused: ((text: string) => void) | null = null,
): Promise<number> {
  const began = performance.now()
  const order = shuffled(keys)
  const share = Math.ceil(keys / CONNECTIONS)
  const requests = new Requests(valueBytes, seededRandom(SEED))
  const parts = Array.from({ length: CONNECTIONS }, (_, part) =>
    order.subarray(part * share, (part + 1) * share),
  )
  await Promise.all(parts.map((part) => fillPart(port, part, requests, onRefused)))
  return (performance.now() - began) / 1000
}

async function fillPart(
  port: number,
  order: Uint32Array,
  requests: Requests,
  onRefused: ((text: string) => void) | null,
): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  try {
    const replies: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]()
    const buffer = Buffer.allocUnsafe(BATCH * requests.setBytes)
    let retries = 0
    for (let next = 0; next < order.length;) {
      const end = Math.min(order.length, next + BATCH)
      let length = 0
      for (let i = next; i < end; i++) length = requests.writeSet(buffer, length, order[i])
      socket.write(buffer.subarray(0, length))
      const refusals = await readReplies(replies, end - next)
      if (refusals.length === 0) {
        next = end
        continue
      }
      if (onRefused === null || ++retries > RETRIES_MAX) {
        throw new Error(`the server refused a key: ${refusals[0]}`)
      }
      refusals.forEach(onRefused)
      await sleep(RETRY_MS)
    }
  } finally {
    socket.destroy()
  }
}

/** The texts of the error replies among `count` replies to SET. */
async function readReplies(replies: AsyncIterator<Buffer>, count: number): Promise<string[]> {
  const refusals: string[] = []
  let rest = ''
  for (let left = count; left > 0;) {
    const next = await replies.next()
    if (next.done === true) throw new Error('the server closed the connection while it was filled')
    const lines = `${rest}${next.value.toString('latin1')}`.split('\r\n')
    rest = lines.pop() ?? ''
    left -= lines.length
    refusals.push(...lines.filter((line) => line !== '+OK').map((line) => line.slice(1)))
  }
  return refusals
}

/** 0 to count - 1 in a random order (Fisher-Yates), the same at every call. */
export function shuffled(count: number): Uint32Array {
  const random = seededRandom(count)
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swap = order[i]
    order[i] = order[j]
    order[j] = swap
  }
  return order
}

/**
 * Fills a server with every key of a key space once, in a random order, as fast as it takes them: a few connections, a
 * window of requests on each. An order by number would suit no engine's keys and every engine's disk.
 */
import { connect } from 'node:net'
import { once } from 'node:events'
import { Requests, seededRandom } from './requests.js'

const CONNECTIONS = 8
const BATCH = 256
const SEED = 7

/** Answers how long it took, in seconds. */
export async function fill(port: number, keys: number, valueBytes: number): Promise<number> {
  const began = performance.now()
  const order = shuffled(keys)
  const share = Math.ceil(keys / CONNECTIONS)
  const requests = new Requests(valueBytes, seededRandom(SEED))
  const parts = Array.from({ length: CONNECTIONS }, (_, part) =>
    order.subarray(part * share, (part + 1) * share),
  )
  await Promise.all(parts.map((part) => fillPart(port, part, requests)))
  return (performance.now() - began) / 1000
}

async function fillPart(port: number, order: Uint32Array, requests: Requests): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const buffer = Buffer.allocUnsafe(BATCH * requests.setBytes)
  const replies: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]()
  for (let next = 0; next < order.length; next += BATCH) {
    const end = Math.min(order.length, next + BATCH)
    let length = 0
    for (let i = next; i < end; i++) length = requests.writeSet(buffer, length, order[i])
    socket.write(buffer.subarray(0, length))
    await readOks(replies, end - next)
  }
  socket.destroy()
  await once(socket, 'close')
}

async function readOks(replies: AsyncIterator<Buffer>, count: number): Promise<void> {
  let left = count * '+OK\r\n'.length
  while (left > 0) {
    const next = await replies.next()
    if (next.done === true) throw new Error('the server closed the connection while it was filled')
    const { value } = next
    const error = /-[^\r]*/.exec(value.toString('latin1'))
    if (error !== null) throw new Error(`the server refused a key: ${error[0]}`)
    left -= value.length
  }
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

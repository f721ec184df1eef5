/**
 * A closed loop of puts to etcd through its gRPC gateway: POST /v3/kv/put over connections that are kept, one request under way
 * on each, spread over the members. Keys and values are those of the other loads, in base64 as the gateway wants them.
 */
import { Agent, request } from 'node:http'
import { randomBytes } from 'node:crypto'
import { LoadTally } from './load-tally.js'
import type { LatencySummary } from './load-tally.js'
import { KEY_BYTES, seededRandom, writeKey } from './requests.js'

export interface EtcdLoadOptions {
  readonly ports: readonly number[]
  readonly connections: number
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly keys: number
  readonly valueBytes: number
}

export interface EtcdLoadResult {
  readonly requestsPerSecond: number
  readonly write: LatencySummary
  readonly answered: number
  readonly errors: Readonly<Record<string, number>>
}

const SEED = 11
const TEXT_LENGTH_MAX = 200

export async function runEtcdLoad(options: EtcdLoadOptions): Promise<EtcdLoadResult> {
  const { ports, connections, warmUpSeconds, seconds } = options
  const measureFromMs = performance.now() + warmUpSeconds * 1000
  const endMs = measureFromMs + seconds * 1000
  const tally = new LoadTally({ paced: false, measureFromMs, endMs })
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity, noDelay: true })
  const nextBody = bodies(options)
  const loop = async (port: number): Promise<void> => {
    for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
      const error = await put(agent, port, nextBody())
      const nowMs = performance.now()
      if (error === null) tally.answered(true, sentMs, nowMs, 1)
      else tally.failed(error, nowMs, 1)
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, i) => loop(ports[i % ports.length])))
  agent.destroy()
  return {
    requestsPerSecond: tally.answeredPerSecond,
    write: tally.writes,
    answered: tally.answeredInAll,
    errors: tally.errors,
  }
}

function bodies({ keys, valueBytes }: EtcdLoadOptions): () => string {
  const random = seededRandom(SEED)
  const name = Buffer.alloc(KEY_BYTES)
  const value = randomBytes(valueBytes).toString('base64')
  return () => {
    writeKey(name, 0, Math.floor(random() * keys))
    return JSON.stringify({ key: name.toString('base64'), value })
  }
}

/** Null when it was put, else the error's text. */
function put(agent: Agent, port: number, body: string): Promise<string | null> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const options = { agent, host: '127.0.0.1', port, method: 'POST', path: '/v3/kv/put', headers }
    const sent = request(options, (response) => {
      let text = ''
      response.setEncoding('latin1').on('data', (part: string) => (text += part))
      response.on('error', (error) => resolve(error.message))
      response.on('end', () => {
        resolve(
          response.statusCode === 200 ? null : `${response.statusCode} ${text.slice(0, TEXT_LENGTH_MAX)}`,
        )
      })
    })
    sent.on('error', (error) => resolve(error.message))
    sent.end(body)
  })
}

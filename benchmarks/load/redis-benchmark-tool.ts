/** Runs redis-benchmark and reads what it prints with --csv. */
import { runProgram } from '../servers/run-program.js'

const RUN_LIMIT_MS = 180_000

export interface Load {
  readonly test: 'set' | 'get'
  readonly pipeline: number
  readonly requests: number
  readonly keys: number
  readonly valueBytes: number
}

export interface Measured {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export const CLIENTS = 50

/** 50 connections, keys drawn uniformly from `keys`. */
export async function redisBenchmark(port: number, load: Load): Promise<Measured> {
  const { test, pipeline, requests, keys, valueBytes } = load
  const args = [
    '-p',
    port,
    '-t',
    test,
    '-n',
    requests,
    '-c',
    CLIENTS,
    '-P',
    pipeline,
    '-d',
    valueBytes,
    '-r',
    keys,
  ]
  const { stdout, stderr } = await runProgram('redis-benchmark', [...args.map(String), '--csv'], RUN_LIMIT_MS)
  return parse(stdout, `${stdout}${stderr}`)
}

function parse(csv: string, output: string): Measured {
  const [header, figures] = csv
    .trim()
    .split('\n')
    .slice(-2)
    .map((line) => line.replaceAll('"', '').split(','))
  const field = (name: string): number => {
    const value = Number(figures?.[header.indexOf(name)])
    if (!Number.isFinite(value)) throw new Error(`redis-benchmark printed no ${name}: ${output}`)
    return value
  }
  return { requestsPerSecond: field('rps'), p50Ms: field('p50_latency_ms'), p99Ms: field('p99_latency_ms') }
}

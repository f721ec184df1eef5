/** A server under measurement: a child process on a free port with a folder of its own. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { track } from './cleanup.js'
import { onLoopback, RespClient } from './resp-client.js'
import type { Address } from './resp-client.js'

const START_LIMIT_MS = 120_000
const RETRY_MS = 5
const STOP_LIMIT_MS = 30_000
const SETTLE_LIMIT_MS = 300_000
const SETTLE_POLL_MS = 200
const SETTLED_POLLS = 5
const ERROR_OUTPUT_BYTES_MAX = 4096

export interface ServerCommand {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly port: number
  /** Where it listens; 127.0.0.1 unless told. */
  readonly host?: string
  /** Whether background work (flushes, compactions, rewrites) is going on, by the fields of INFO; null without INFO. */
  readonly isBusy: ((info: ReadonlyMap<string, string>) => boolean) | null
  /** Whether the server serves; by PING unless told. */
  readonly isServing?: (address: Address) => Promise<boolean>
  readonly env?: Readonly<Record<string, string>>
}

export class ServerProcess {
  readonly name: string
  readonly address: Address
  readonly #child: ChildProcess
  readonly #isBusy: ServerCommand['isBusy']
  #ending = false
  /** From the start of the process until it answered PING, in milliseconds. */
  readonly startMs: number

  private constructor(command: ServerCommand, child: ChildProcess, startMs: number) {
    this.name = command.name
    this.address = addressOf(command)
    this.#child = child
    this.#isBusy = command.isBusy
    this.startMs = startMs
  }

  /** Resolves when the server answers; rejects with what it wrote when it ends instead. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const began = performance.now()
    const child = spawn(command.program, command.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...command.env },
    })
    track(child)
    let output = ''
    const keep = (bytes: Buffer): void => {
      output = (output + bytes.toString()).slice(-ERROR_OUTPUT_BYTES_MAX)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    let failure = ''
    child.once('error', (error) => (failure = error.message))
    const isServing = command.isServing ?? answersPing
    while (!(await isServing(addressOf(command)))) {
      if (failure !== '' || child.exitCode !== null) {
        throw new Error(`${command.name} did not start: ${failure}${output}`)
      }
      if (performance.now() - began > START_LIMIT_MS)
        throw new Error(`${command.name} does not answer: ${output}`)
      await sleep(RETRY_MS)
    }
    const server = new ServerProcess(command, child, performance.now() - began)
    child.once('exit', (code, signal) => {
      if (!server.#ending) console.error(`${command.name} ended by itself (${signal ?? code}): ${output}`)
    })
    return server
  }

  get port(): number {
    return this.address.port
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined || this.#child.exitCode !== null) throw new Error(`${this.name} is not running`)
    return pid
  }

  async info(): Promise<ReadonlyMap<string, string>> {
    const client = await RespClient.connect(this.address)
    try {
      return await client.info()
    } finally {
      client.close()
    }
  }

  /** Resolves when no background work has been going on for a second. Answers the milliseconds that it took. */
  async settle(): Promise<number> {
    const began = performance.now()
    if (this.#isBusy === null) return (await sleep(SETTLED_POLLS * SETTLE_POLL_MS), 0)
    const client = await RespClient.connect(this.address)
    try {
      for (let quiet = 0; quiet < SETTLED_POLLS; quiet++) {
        if (this.#isBusy(await client.info())) quiet = -1
        if (performance.now() - began > SETTLE_LIMIT_MS) throw new Error(`${this.name} does not come to rest`)
        await sleep(SETTLE_POLL_MS)
      }
      return performance.now() - began - SETTLED_POLLS * SETTLE_POLL_MS
    } finally {
      client.close()
    }
  }

  /** SIGSTOP: the process stands still and its connections stay open. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** SIGTERM, and SIGKILL when that takes too long. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.#end('SIGTERM')
    clearTimeout(timer)
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#ending = true
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    await ended
  }
}

function addressOf({ host, port }: ServerCommand): Address {
  return host === undefined ? onLoopback(port) : { host, port }
}

/** True for +PONG; a server that is still loading answers an error. One that knows no PING counts as serving, too. */
async function answersPing(address: Address): Promise<boolean> {
  let client: RespClient
  try {
    client = await RespClient.connect(address)
  } catch {
    return false
  }
  try {
    const reply = await client.call('PING')
    return !(reply instanceof Error) || !reply.message.startsWith('LOADING')
  } catch {
    return false
  } finally {
    client.close()
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]
}

/** Different ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => once(server, 'close')))
  return ports
}

export async function isTaken(port: number): Promise<boolean> {
  try {
    const client = await RespClient.connect(port)
    client.close()
    return true
  } catch {
    return false
  }
}

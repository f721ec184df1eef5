/**
 * One node as users run it: `bin/kindred server` in a process of its own, on a free port and a directory of its own, ready
 * when its log says so. It can be killed as by a power switch, stopped in order, and started again on the same directory.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { kindred } from './kindred-process.js'
import type { Ended, KindredProcess } from './kindred-process.js'
import { within } from './until.js'
import { WireClient } from './wire-client.js'
import type { WireOptions } from './wire-client.js'

const START_DEADLINE_MS = 60_000

export interface NodeOptions {
  /** Flags of `kindred server`, but for --port and --dir. */
  readonly flags?: readonly string[]
  /** A settings file, which then says the ports. */
  readonly config?: string
  /** Where the data lie; default a directory that goes away with the test. */
  readonly directory?: string
  readonly env?: NodeJS.ProcessEnv
  /** The words before the program, such as nsenter with its arguments. */
  readonly launcher?: readonly string[]
  /** Where clients reach it; default 127.0.0.1. */
  readonly host?: string
}

/** Small segments, tables and cache: a few megabytes cross rotations, flushes, compactions and reads from disk. */
export const SMALL_STORAGE: readonly string[] = [
  ...['--segment-size', '1mb', '--segments-max', '3', '--block-cache-size', '1mb', '--table-size', '1mb'],
  ...['--level0-compaction-trigger', '2', '--level-base-size', '1mb', '--level-size-multiplier', '4'],
  ...['--compaction-rate', '0'],
]

export class KindredNode {
  readonly directory: string
  #flags: readonly string[]
  readonly #config: string | null
  readonly #options: NodeOptions
  #process!: KindredProcess
  #running = false
  #port = 0

  private constructor(directory: string, options: NodeOptions) {
    this.directory = directory
    this.#flags = options.flags ?? []
    this.#config = options.config ?? null
    this.#options = options
  }

  /** Starts a node that ends with the test `t`. */
  static async start(t: Test, options: NodeOptions = {}): Promise<KindredNode> {
    const node = KindredNode.make(t, options)
    await node.#start()
    return node
  }

  /** The same without its start: startAgain() is the first one. */
  static make(t: Test, options: NodeOptions = {}): KindredNode {
    const node = new KindredNode(options.directory ?? temporaryDirectory(t), options)
    t.teardown(() => node.kill9())
    return node
  }

  /** The settings file; null for a node without. */
  get config(): string | null {
    return this.#config
  }

  get port(): number {
    return this.#port
  }

  get pid(): number {
    return this.#process.pid
  }

  /** What the process has ended, or will end, with. */
  get ended(): Promise<Ended> {
    return this.#process.ended
  }

  /** Ends the process at once, wherever it is; resolves when it is gone. */
  async kill9(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    this.#process.kill('SIGKILL')
    await this.#process.ended
  }

  /** SIGSTOP: the process does nothing, and its connections stay open. */
  pause(): void {
    this.#process.kill('SIGSTOP')
  }

  /** SIGCONT. */
  goOn(): void {
    this.#process.kill('SIGCONT')
  }

  /** SIGTERM; resolves when the process is gone. */
  async stop(): Promise<Ended> {
    this.#running = false
    this.#process.kill('SIGTERM')
    return within('the node to stop', this.#process.ended, START_DEADLINE_MS)
  }

  /** Starts the node again on its directory, with other flags where given. It must not be running. */
  async startAgain(flags = this.#flags): Promise<void> {
    this.#flags = flags
    await this.#start()
  }

  /** The same, on the port it had: for clients that come back by themselves. */
  async startAgainOnItsPort(): Promise<void> {
    await this.#start(this.#port)
  }

  /** Starts the process and does not wait for it to serve. */
  spawn(port = 0): void {
    const { directory } = this
    const place = this.#config === null ? ['--port', String(port)] : ['--config', this.#config]
    const { env, launcher } = this.#options
    this.#process = kindred(['server', ...place, '--dir', directory, ...this.#flags], { env, launcher })
    this.#running = true
  }

  /** What the process has printed so far. */
  get said(): string {
    return this.#process.said
  }

  /** The facts of the log's first line with `event` (letters and spaces), once it is there. */
  async logged(event: string): Promise<Record<string, unknown>> {
    const line = new RegExp(`^.*"event":"${event}".*\\n`, 'm')
    const [text] = await within(`the log to say "${event}"`, this.#process.printed(line), START_DEADLINE_MS)
    return JSON.parse(text) as Record<string, unknown>
  }

  open(options?: WireOptions): Promise<WireClient> {
    return WireClient.open(this.#port, { host: this.#options.host, ...options })
  }

  /** The fields of INFO, all sections. */
  async info(): Promise<Map<string, string>> {
    const client = await this.open()
    try {
      return infoFields(await client.ask('INFO', 'everything'))
    } finally {
      client.close()
    }
  }

  async #start(wantedPort = 0): Promise<void> {
    this.spawn(wantedPort)
    const { port } = await this.logged('serving')
    this.#port = Number(port)
  }
}

export function infoFields(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => /^[\w-]+:/.test(line))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** bin/kindred as a process of its own, the way users start it: with what it prints, how it ends, and a way to end it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly error: string
}

export interface StartOptions {
  /** Working directory; default the project's. */
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** The words before the program, of another one that becomes it: nsenter with its arguments. */
  readonly launcher?: readonly string[]
  /** In a process group of its own, so that a signal can go to all of it. */
  readonly detached?: boolean
}

export class KindredProcess {
  readonly #process: ChildProcess
  readonly ended: Promise<Ended>
  #out = ''
  #error = ''
  #watchers: (() => void)[] = []

  /** Starts any program; `kindred` below starts Kindred. */
  constructor(program: string, args: readonly string[], options: StartOptions = {}) {
    const { cwd, env, launcher = [], detached } = options
    const [first, ...rest] = [...launcher, program, ...args]
    this.#process = spawn(first, rest, {
      cwd,
      detached,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process.stdout
      ?.setEncoding('utf8')
      .on('data', (text: string) => this.#seen(() => (this.#out += text)))
    this.#process.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => this.#seen(() => (this.#error += text)))
    this.ended = new Promise((resolve, reject) => {
      this.#process.on('error', reject)
      this.#process.on('close', (code, signal) => {
        resolve({ code, signal, out: this.#out, error: this.#error })
        this.#seen(() => {})
      })
    })
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the process did not start')
    return this.#process.pid
  }

  /** What it has printed so far. */
  get said(): string {
    return this.#out + this.#error
  }

  /** Resolves with the match once standard output has it; rejects when the process ends without. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#has(pattern, () => this.#out)
  }

  /** The same for standard error. */
  printedError(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#has(pattern, () => this.#error)
  }

  async #has(pattern: RegExp, text: () => string): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(text())
      if (match !== null) return match
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        const { out, error, code } = await this.ended
        throw new Error(`ended with ${code} without printing ${pattern}:\n${out}${error}`)
      }
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  #seen(take: () => void): void {
    take()
    const watchers = this.#watchers
    this.#watchers = []
    for (const watcher of watchers) watcher()
  }
}

export function kindred(args: readonly string[], options: StartOptions = {}): KindredProcess {
  return new KindredProcess(`${process.cwd()}/bin/kindred`, args, options)
}

/** Runs bin/kindred to its end. */
export function runKindred(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return kindred(args, options).ended
}

/** `kindred up` with a single node on a free port, which ends with the test `t` at the latest; resolves when it serves. */
export async function up(
  t: Test,
  directory: string,
  args: readonly string[] = [],
): Promise<{ readonly node: KindredProcess; readonly port: number }> {
  const node = kindred(['up', '--nodes', '1', '--port', '0', '--dir', directory, ...args])
  t.teardown(() => node.kill('SIGKILL'))
  const [, port] = await node.printed(/^\S+:(\d+) [\s\S]*Ctrl-C stops it/m)
  return { node, port: Number(port) }
}

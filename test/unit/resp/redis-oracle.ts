/** A private redis-server on a Unix socket, asked what it answers to given bytes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class RedisOracle {
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process
    this.#directory = directory
  }

  /** Starts redis-server with further settings, e.g. '--requirepass', 'x'; rejects when it is not installed. */
  static async start(...settings: string[]): Promise<RedisOracle> {
    const directory = mkdtempSync(join(tmpdir(), 'kindred-redis-'))
    const fixed = ['--port', '0', '--unixsocket', join(directory, 's'), '--save', '', '--dir', directory]
    const process = spawn('redis-server', [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] })
    const oracle = new RedisOracle(process, directory)
    await new Promise<void>((resolve, reject) => {
      let output = ''
      process.on('error', reject)
      process.on('exit', () => reject(new Error(`redis-server ended:\n${output}`)))
      process.stdout?.on('data', (text) => {
        output += text
        if (output.includes('accept connections at')) resolve()
      })
    })
    return oracle
  }

  /** All that it answers, as latin1 text, to a client that sends `input`, closes its side and reads to the end. */
  ask(input: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ path: join(this.#directory, 's'), allowHalfOpen: true })
      let output = ''
      socket.setEncoding('latin1')
      socket.on('data', (text: string) => (output += text))
      socket.on('end', () => socket.destroy())
      // It resets a connection whose bytes it has not all read; what it sent before that has been read then.
      socket.on('error', () => socket.destroy())
      socket.on('close', () => resolve(output))
      socket.end(input)
    })
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill()
    await ended
    rmSync(this.#directory, { recursive: true })
  }
}

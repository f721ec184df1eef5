/** A redis-server of the test's own, on a Unix socket in a directory of its own: what Kindred is compared with. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RespConnection } from './resp-connection.js'

export class PrivateRedis {
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process
    this.#directory = directory
  }

  /** Starts redis-server with one database and nothing on disk, and further settings ('--proto-max-bulk-len', '1mb'). */
  static async start(...settings: readonly string[]): Promise<PrivateRedis> {
    const directory = mkdtempSync(join(tmpdir(), 'kindred-redis-'))
    const fixed = ['--port', '0', '--unixsocket', join(directory, 'socket'), '--dir', directory]
    const memoryOnly = ['--save', '', '--appendonly', 'no', '--databases', '1']
    const process = spawn('redis-server', [...fixed, ...memoryOnly, ...settings], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise<void>((resolve, reject) => {
      let output = ''
      process.on('error', reject)
      process.on('exit', () => reject(new Error(`redis-server ended:\n${output}`)))
      process.stdout?.on('data', (text) => {
        output += text
        if (output.includes('accept connections at')) resolve()
      })
    })
    return new PrivateRedis(process, directory)
  }

  get socketPath(): string {
    return join(this.#directory, 'socket')
  }

  open(): Promise<RespConnection> {
    return RespConnection.open({ path: this.socketPath })
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill()
    await ended
    rmSync(this.#directory, { recursive: true })
  }
}

/** A node as a child process of `kindred up`: bin/kindred server with its configuration file. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PlannedNode } from './cluster-plan.js'
import { STOPS_WITH_PARENT } from './stop-signals.js'

const PROGRAM = fileURLToPath(new URL('../../../bin/kindred', import.meta.url))

export class NodeProcess {
  readonly plan: PlannedNode
  /** Settles when the process has ended, with how: 'exit code 1', 'SIGKILL'. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  #end: string | null = null

  /** Starts it; every line that it prints goes to `print`. */
  constructor(plan: PlannedNode, print: (line: string) => void) {
    this.plan = plan
    this.#child = spawn(PROGRAM, ['server', '--config', plan.configFile], {
      // The last one is for the end of this process to be noticed; nothing is sent on it.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, [STOPS_WITH_PARENT]: 'yes' },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', print)
    }
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#end ??= how
        resolve(this.#end)
      }
      this.#child.on('error', (error) => end(error.message))
      this.#child.on('close', (code, signal) => end(signal ?? `exit code ${code}`))
    })
  }

  get processId(): number | undefined {
    return this.#child.pid
  }

  /** How it ended; null while it runs. */
  get end(): string | null {
    return this.#end
  }

  get endedInOrder(): boolean {
    return this.#end === 'exit code 0'
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#end === null) this.#child.kill(signal)
  }
}

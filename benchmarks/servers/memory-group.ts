/**
 * A memory cgroup that programs are started in, or that running ones enter: version 2 or 1, whichever this system has; root only.
 * Without it the page cache of a large machine would hide what a store does when its data are larger than memory.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { runProgram } from './run-program.js'

const ROOT = '/sys/fs/cgroup'

export class MemoryGroup {
  readonly #folder: string | null
  /** Why memory is not held; null when it is. */
  readonly missing: string | null

  /** `name`: of the folder; `bytes`: what its programs may take together, the page cache of what they read and write included. */
  constructor(name: string, bytes: number) {
    const isUnified = existsSync(`${ROOT}/cgroup.controllers`)
    const folder = `${isUnified ? ROOT : `${ROOT}/memory`}/${name}`
    try {
      mkdirSync(folder)
      writeFileSync(`${folder}/${isUnified ? 'memory.max' : 'memory.limit_in_bytes'}`, String(bytes))
      this.#folder = folder
      this.missing = null
    } catch (error) {
      this.#folder = null
      this.missing = `memory NOT held, no memory cgroup could be made: ${String(error)}`
    }
  }

  /** Runs a program to its end in the group; answers what it printed. */
  async run(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
    const enters = this.#folder === null ? '' : `echo $$ > ${this.#folder}/cgroup.procs && `
    const { stdout } = await runProgram('sh', ['-c', `${enters}exec "$0" "$@"`, program, ...args], timeoutMs)
    return stdout
  }

  /** A running process enters: what it takes from now on counts. */
  enter(pid: number): void {
    if (this.#folder !== null) writeFileSync(`${this.#folder}/cgroup.procs`, String(pid))
  }

  /** Takes the group away; nothing may run in it any more. */
  remove(): void {
    if (this.#folder !== null) rmdirSync(this.#folder)
  }
}

/** Servers that are measured as one: nodes of a cluster, a master with its replicas, or a single server. */
import { cpuSeconds } from '../measure/process-facts.js'
import type { CpuSeconds } from '../measure/process-facts.js'
import { removeFolder } from './cleanup.js'
import type { ServerProcess } from './server-process.js'

export class ServerGroup {
  readonly name: string
  readonly servers: readonly ServerProcess[]
  readonly #directories: readonly string[]

  /** `directories` are removed when it is stopped. */
  constructor(name: string, servers: readonly ServerProcess[], directories: readonly string[]) {
    this.name = name
    this.servers = servers
    this.#directories = directories
  }

  /** Of all its processes. */
  cpuSeconds(): CpuSeconds {
    const each = this.servers.map(({ pid }) => cpuSeconds(pid))
    return {
      all: each.reduce((sum, { all }) => sum + all, 0),
      mainThread: each.reduce((sum, { mainThread }) => sum + mainThread, 0),
    }
  }

  /** A field of INFO summed over the servers; NaN where one has no such number. */
  async sumOfInfo(names: readonly string[]): Promise<number[]> {
    const infos = await Promise.all(this.servers.map((server) => server.info()))
    return names.map((name) => infos.reduce((sum, info) => sum + Number(info.get(name)), 0))
  }

  /** Resolves when no server has had background work for a second. */
  async settle(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.settle()))
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()))
    this.#directories.forEach(removeFolder)
  }
}

/** Tries until `attempt` does not throw; after the limit, its last error is thrown. */
export async function eventually<T>(what: string, attempt: () => Promise<T>, limitMs = 30_000): Promise<T> {
  const began = performance.now()
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() - began > limitMs) {
        throw new Error(`${what} within ${limitMs / 1000} s: ${(error as Error).message}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Kindred and Redis, one server each, filled with the same keys and at rest: what most benchmarks begin with. */
import { fill } from '../load/fill.js'
import { progress } from '../measure/turns.js'
import { removeFolder, temporaryFolder } from './cleanup.js'
import type { ServerProcess } from './server-process.js'
import { startKindred, startRedis } from './start-server.js'
import type { AppendFsync } from './start-server.js'

export interface FilledServer {
  readonly server: ServerProcess
  readonly loadSeconds: number
  /** From the end of the load until it came to rest. */
  readonly settleSeconds: number
}

export interface FillOptions {
  readonly parent: string
  readonly appendfsync: AppendFsync
  readonly keys: number
  readonly valueBytes: number
  /** Further settings of Kindred, as on the command line. */
  readonly settings?: readonly string[]
}

export class FilledServers {
  readonly kindred: FilledServer
  readonly redis: FilledServer
  readonly #folders: readonly string[]

  private constructor(kindred: FilledServer, redis: FilledServer, folders: readonly string[]) {
    this.kindred = kindred
    this.redis = redis
    this.#folders = folders
  }

  static async start(options: FillOptions): Promise<FilledServers> {
    const { parent, appendfsync, settings = [] } = options
    const folders = ['kindred', 'redis'].map((name) => temporaryFolder(parent, name))
    const kindred = await startKindred(folders[0], appendfsync, ...settings)
    const redis = await startRedis(folders[1], appendfsync)
    return new FilledServers(await fillOne(kindred, options), await fillOne(redis, options), folders)
  }

  /** Kindred, Redis. */
  get servers(): readonly ServerProcess[] {
    return [this.kindred.server, this.redis.server]
  }

  async stop(): Promise<void> {
    for (const server of this.servers) await server.stop()
    this.#folders.forEach(removeFolder)
  }
}

async function fillOne(server: ServerProcess, options: FillOptions): Promise<FilledServer> {
  const { appendfsync, keys, valueBytes } = options
  progress(`${appendfsync}: filling ${server.name} with ${keys} keys`)
  const loadSeconds = await fill(server.port, keys, valueBytes)
  progress(`${server.name} comes to rest`)
  const settleSeconds = (await server.settle()) / 1000
  return { server, loadSeconds, settleSeconds }
}

/**
 * Redis Cluster as its tutorial makes it: three masters with a replica each, all with an append-only file, put together by
 * redis-cli --cluster create.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../../test/support/free-ports.js'
import type { SlotRange } from '../../src/ring/slot-range.js'
import type { Reply } from '../../src/resp/reply-parser.js'
import { temporaryFolder } from './cleanup.js'
import { onLoopback, RespClient } from './resp-client.js'
import { runProgram } from './run-program.js'
import { eventually, ServerGroup } from './server-group.js'
import type { ServerProcess } from './server-process.js'
import { startRedisOn } from './start-server.js'
import type { AppendFsync } from './start-server.js'

const MASTERS = 3
const REPLICAS_OF_EACH = 1
const CREATE_LIMIT_MS = 60_000
const READY_LIMIT_MS = 60_000

export class RedisCluster {
  readonly group: ServerGroup
  readonly #servers: ServerProcess[]
  readonly #start: (server: number) => Promise<ServerProcess>

  private constructor(
    servers: ServerProcess[],
    folder: string,
    start: (server: number) => Promise<ServerProcess>,
  ) {
    this.group = new ServerGroup('Redis Cluster', servers, [folder])
    this.#servers = servers
    this.#start = start
  }

  /** Resolves when all replicas follow their masters and all slots are served. */
  static async start(parent: string, appendfsync: AppendFsync, nodeTimeoutMs: number): Promise<RedisCluster> {
    const folder = temporaryFolder(parent, 'redis-cluster')
    const count = MASTERS * (1 + REPLICAS_OF_EACH)
    const first = await freePorts(count)
    const start = (server: number): Promise<ServerProcess> => {
      const port = first + server
      const directory = join(folder, String(port))
      mkdirSync(directory, { recursive: true })
      const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeoutMs)]
      return startRedisOn(port, directory, appendfsync, ...settings, '--repl-diskless-sync-delay', '0')
    }
    const servers = await Promise.all(Array.from({ length: count }, (_, i) => start(i)))
    const cluster = new RedisCluster(servers, folder, start)
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
    const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', String(REPLICAS_OF_EACH)]
    await runProgram('redis-cli', [...create, '--cluster-yes'], CREATE_LIMIT_MS)
    await eventually('Redis Cluster is not ready', () => cluster.#check(), READY_LIMIT_MS)
    return cluster
  }

  /** The first of them; redis-cli makes the first servers masters. */
  get masters(): readonly ServerProcess[] {
    return this.#servers.slice(0, MASTERS)
  }

  /** The slots whose master this server is. */
  async slotsOf({ port }: ServerProcess): Promise<SlotRange[]> {
    const client = await RespClient.connect(onLoopback(port))
    try {
      const slots = await client.call('CLUSTER', 'SLOTS')
      if (!Array.isArray(slots)) throw new Error(`CLUSTER SLOTS answered ${String(slots)}`)
      return (slots as readonly Reply[]).flatMap((entry) => {
        const [firstSlot, lastSlot, master] = entry as readonly [number, number, readonly [Reply, number]]
        return master[1] === port ? [{ firstSlot, lastSlot }] : []
      })
    } finally {
      client.close()
    }
  }

  /** Starts a server again that was killed. */
  async restart(server: number): Promise<void> {
    this.#servers[server] = await this.#start(server)
  }

  async #check(): Promise<void> {
    for (const server of this.#servers) {
      const client = await RespClient.connect(server.port)
      try {
        const state = String(await client.call('CLUSTER', 'INFO'))
        if (!state.includes('cluster_state:ok')) throw new Error(`${server.port}: ${state.slice(0, 20)}`)
        const role = await client.info()
        if (role.get('role') === 'slave' && role.get('master_link_status') !== 'up')
          throw new Error(`${server.port} does not follow its master`)
        if (role.get('role') === 'master' && role.get('connected_slaves') !== String(REPLICAS_OF_EACH))
          throw new Error(`nobody follows ${server.port}`)
      } finally {
        client.close()
      }
    }
  }
}

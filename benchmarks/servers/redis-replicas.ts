/** A Redis master with two replicas, all three with an append-only file: what SET + WAIT 1 is measured on. */
import { temporaryFolder } from './cleanup.js'
import { probe } from './resp-client.js'
import { eventually, ServerGroup } from './server-group.js'
import { startRedis } from './start-server.js'
import type { AppendFsync } from './start-server.js'

const REPLICAS = 2

/** The first of the group is the master. Resolves when both replicas follow it. */
export async function startRedisReplicas(parent: string, appendfsync: AppendFsync): Promise<ServerGroup> {
  const directories = Array.from({ length: 1 + REPLICAS }, () => temporaryFolder(parent, 'redis'))
  const master = await startRedis(directories[0], appendfsync, '--repl-diskless-sync-delay', '0')
  const replicas = await Promise.all(
    directories
      .slice(1)
      .map((directory) => startRedis(directory, appendfsync, '--replicaof', `127.0.0.1 ${master.port}`)),
  )
  const group = new ServerGroup('Redis', [master, ...replicas], directories)
  await eventually('the replicas do not follow', async () => {
    const info = await master.info()
    for (let i = 0; i < REPLICAS; i++) {
      if (info.get(`slave${i}`)?.includes('state=online') !== true)
        throw new Error(`replica ${i} is not online`)
    }
  })
  return group
}

/** Resolves when both replicas have everything that the master has. */
export function replicasCaughtUp({ servers }: ServerGroup): Promise<void> {
  return probe(servers[0].port, REPLICAS)
}

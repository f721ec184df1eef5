/**
 * Clients of ioredis as an application that wants to outlive a node sets them up: a connection that says nothing for a second
 * while something is under way is given up, and a cluster client asks for the slots every second. The same for every server.
 */
import { once } from 'node:events'
import { Cluster, Redis } from 'ioredis'
import type { Address } from '../servers/resp-client.js'

export type ApplicationKind = 'cluster' | 'plain'

export interface ApplicationClient {
  set(key: string, value: string): Promise<unknown>
  get(key: string): Promise<string | null>
  /** What `send` asks for leaves in one write for each connection. */
  together(send: () => void): void
  disconnect(): void
}

export const SOCKET_TIMEOUT_MS = 1000
export const SLOTS_REFRESH_MS = 1000
export const COMMAND_TIMEOUT_MS = 3000
const RECONNECT_MS = 100
const CONNECTION = { commandTimeout: COMMAND_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS }

/** Resolves when all are connected. */
export function openClients(
  kind: ApplicationKind,
  addresses: readonly Address[],
  count: number,
): Promise<ApplicationClient[]> {
  const open = kind === 'cluster' ? openCluster : openPlain
  return Promise.all(Array.from({ length: count }, (_, i) => open(addresses, i)))
}

async function openCluster(addresses: readonly Address[]): Promise<ApplicationClient> {
  const cluster = new Cluster([...addresses], {
    redisOptions: CONNECTION,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    clusterRetryStrategy: () => RECONNECT_MS,
  })
  cluster.on('error', () => {})
  await once(cluster, 'ready')
  return applicationClient(cluster, () => cluster.nodes())
}

async function openPlain(addresses: readonly Address[], index: number): Promise<ApplicationClient> {
  const { host, port } = addresses[index % addresses.length]
  const redis = new Redis({ ...CONNECTION, host, port, retryStrategy: () => RECONNECT_MS })
  redis.on('error', () => {})
  await once(redis, 'ready')
  return applicationClient(redis, () => [redis])
}

function applicationClient(client: Cluster | Redis, connections: () => readonly Redis[]): ApplicationClient {
  return {
    set: (key, value) => client.set(key, value),
    get: (key) => client.get(key),
    disconnect: () => client.disconnect(),
    together(send) {
      const streams = connections().map(({ stream }) => stream)
      for (const stream of streams) stream?.cork()
      send()
      for (const stream of streams) stream?.uncork()
    },
  }
}

/** What the quorum benchmarks compare: three nodes of Kindred and a Redis master with two replicas, both filled, everysec. */
import type { BenchmarkOptions } from '../benchmark.js'
import { scaled } from '../benchmark.js'
import { fill } from '../load/fill.js'
import { COMMON_LOAD } from '../load/open-loop.js'
import type { ErrorLog } from '../measure/error-log.js'
import { progress } from '../measure/turns.js'
import { KindredCluster } from './kindred-cluster.js'
import type { Clients } from './kindred-cluster.js'
import { replicasCaughtUp, startRedisReplicas } from './redis-replicas.js'
import type { ServerGroup } from './server-group.js'

const KEYS = 1_000_000

export class QuorumPair {
  readonly kindred: KindredCluster
  readonly redis: ServerGroup
  /** All of them exist. */
  readonly keys: number

  private constructor(kindred: KindredCluster, redis: ServerGroup, keys: number) {
    this.kindred = kindred
    this.redis = redis
    this.keys = keys
  }

  /** `errors` gets what nodes refused while they were filled. */
  static async start(options: BenchmarkOptions, errors: ErrorLog): Promise<QuorumPair> {
    const kindred = await KindredCluster.start(options.directory, 'everysec')
    const redis = await startRedisReplicas(options.directory, 'everysec')
    const pair = new QuorumPair(kindred, redis, scaled(KEYS, options))
    progress(`filling Kindred with ${pair.keys} keys`)
    await fill(kindred.nodes[0].port, pair.keys, COMMON_LOAD.valueBytes, (text) =>
      errors.add('the fill of Kindred (sent again)', { [text]: 1 }),
    )
    progress(`filling Redis with ${pair.keys} keys`)
    await fill(redis.servers[0].port, pair.keys, COMMON_LOAD.valueBytes)
    await kindred.group.settle()
    await pair.settleRedis()
    return pair
  }

  /** Redis's clients speak to the master. */
  get redisClients(): Clients {
    return { ports: [this.redis.servers[0].port], homes: null }
  }

  /** Resolves when the replicas have everything and no server has had background work for a second. */
  async settleRedis(): Promise<void> {
    await replicasCaughtUp(this.redis)
    await this.redis.settle()
  }

  async stop(): Promise<void> {
    await Promise.all([this.kindred.group.stop(), this.redis.stop()])
  }
}

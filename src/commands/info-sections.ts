/**
 * The sections of INFO, each a pure function of the node: the fields that clients, exporters and redis-cli read, under
 * Redis's names and in Redis's order. A field of Redis that cannot have another value here (no replicas, no eviction,
 * no scripts) is printed with that value, because exporters take a missing one for a fault; what has no meaning at all
 * (allocator internals, forks) is left out. What Redis has no name for stands in `# Storage`.
 *
 * Where a name needs interpreting: used_memory is the JavaScript heap in use plus everything outside it (memtables,
 * cache, buffers), without what is reserved but was never touched; used_memory_peak is the highest resident size; the aof_ fields are about
 * the log, the rdb_ fields about snapshots.
 */
import { memoryOf } from './client-line.js'
import { clusterConnections, clusterFacts } from './cluster-facts.js'
import { modeOf } from './cluster-mode.js'
import { repairFacts } from './repair-facts.js'
import type { InfoFacts } from './info-facts.js'
import type { CommandStats, NodeServices } from './node-services.js'
import { REDIS_VERSION } from './redis-version.js'
import type { Listener } from './session.js'

export interface InfoSection {
  /** As it is asked for, lower case. */
  readonly name: string
  /** As it is printed. */
  readonly title: string
  /** Which of INFO's collective names include it: 'default' (also without argument), 'all'; 'everything' includes all. */
  readonly in: readonly string[]
  facts(node: NodeServices, listener: Listener): InfoFacts
}

const DEFAULT = ['default', 'all']
const SECONDS_PER_DAY = 86_400

/** In the order in which INFO prints them. */
export const INFO_SECTIONS: readonly InfoSection[] = [
  { name: 'server', title: 'Server', in: DEFAULT, facts: server },
  { name: 'clients', title: 'Clients', in: DEFAULT, facts: clients },
  { name: 'memory', title: 'Memory', in: DEFAULT, facts: memory },
  { name: 'persistence', title: 'Persistence', in: DEFAULT, facts: persistence },
  { name: 'storage', title: 'Storage', in: DEFAULT, facts: storage },
  { name: 'stats', title: 'Stats', in: DEFAULT, facts: statistics },
  { name: 'replication', title: 'Replication', in: DEFAULT, facts: replication },
  { name: 'cpu', title: 'CPU', in: DEFAULT, facts: cpu },
  { name: 'modules', title: 'Modules', in: DEFAULT, facts: () => [] },
  { name: 'commandstats', title: 'Commandstats', in: ['all'], facts: commandStatistics },
  { name: 'errorstats', title: 'Errorstats', in: DEFAULT, facts: errorStatistics },
  { name: 'latencystats', title: 'Latencystats', in: ['all'], facts: latencyStatistics },
  { name: 'cluster', title: 'Cluster', in: DEFAULT, facts: clusterFacts },
  { name: 'repair', title: 'Repair', in: DEFAULT, facts: repairFacts },
  { name: 'keyspace', title: 'Keyspace', in: DEFAULT, facts: keyspace },
]

function server(node: NodeServices, listener: Listener): InfoFacts {
  const nowMs = node.clock.wallMs()
  const uptimeSeconds = Math.max(0, Math.floor((nowMs - node.startedAtMs) / 1000))
  return [
    ['redis_version', REDIS_VERSION],
    ['kindred_version', node.version],
    ['redis_git_sha1', '00000000'],
    ['redis_git_dirty', 0],
    ['redis_mode', modeOf(node, listener)],
    ['os', node.operatingSystem],
    ['arch_bits', 64],
    ['multiplexing_api', 'libuv'],
    ['process_id', node.processId],
    ['process_supervised', 'no'],
    ['run_id', node.runId],
    ['tcp_port', node.settings.port],
    ['server_time_usec', nowMs * 1000],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / SECONDS_PER_DAY)],
    ['hz', 10],
    ['configured_hz', 10],
    ['lru_clock', Math.floor(nowMs / 1000) % 2 ** 24],
    ['config_file', node.configFile],
    ['io_threads_active', 0],
  ]
}

function clients(node: NodeServices): InfoFacts {
  let inputBytesMax = 0
  let outputBytesMax = 0
  for (const session of node.clients()) {
    inputBytesMax = Math.max(inputBytesMax, session.queryBufferBytes)
    outputBytesMax = Math.max(outputBytesMax, session.outputBufferBytes)
  }
  return [
    ['connected_clients', node.clientCount()],
    ['cluster_connections', clusterConnections(node)],
    ['maxclients', node.settings.get('maxclients') ?? 0],
    ['client_recent_max_input_buffer', inputBytesMax],
    ['client_recent_max_output_buffer', outputBytesMax],
    ['blocked_clients', 0],
    ['tracking_clients', 0],
    ['clients_in_timeout_table', 0],
  ]
}

function memory(node: NodeServices): InfoFacts {
  const { residentBytes, peakResidentBytes, heapUsedBytes, heapTotalBytes, externalBytes, systemTotalBytes } =
    node.memory()
  const engine = node.engineFacts()
  const usedBytes = Math.min(heapUsedBytes + externalBytes, residentBytes)
  const datasetBytes = engine.memtableBytes + engine.blockCacheBytes
  const maxMemoryBytes = Number(node.settings.get('maxmemory') ?? 0)
  let clientBytes = 0
  for (const session of node.clients()) clientBytes += memoryOf(session)
  return [
    ...sized('used_memory', usedBytes),
    ...sized('used_memory_rss', residentBytes),
    ...sized('used_memory_peak', peakResidentBytes),
    ['used_memory_peak_perc', percent(usedBytes, peakResidentBytes)],
    ['used_memory_overhead', Math.max(0, usedBytes - datasetBytes)],
    ['used_memory_startup', 0],
    ['used_memory_dataset', datasetBytes],
    ['used_memory_dataset_perc', percent(datasetBytes, usedBytes)],
    ['allocator_allocated', heapUsedBytes],
    ['allocator_active', heapTotalBytes],
    ['allocator_resident', residentBytes],
    ...sized('total_system_memory', systemTotalBytes),
    ...sized('used_memory_lua', 0),
    ...sized('used_memory_scripts', 0),
    ['number_of_cached_scripts', 0],
    ['number_of_functions', 0],
    ['number_of_libraries', 0],
    ...sized('maxmemory', maxMemoryBytes),
    ['maxmemory_policy', node.settings.get('maxmemory-policy') ?? 'noeviction'],
    ['mem_fragmentation_ratio', (usedBytes > 0 ? residentBytes / usedBytes : 0).toFixed(2)],
    ['mem_fragmentation_bytes', residentBytes - usedBytes],
    ['mem_not_counted_for_evict', 0],
    ['mem_replication_backlog', 0],
    ['mem_clients_slaves', 0],
    ['mem_clients_normal', clientBytes],
    ['mem_aof_buffer', engine.logPendingBytes],
    ['mem_allocator', 'v8'],
    ['active_defrag_running', 0],
    ['lazyfree_pending_objects', 0],
    ['lazyfreed_objects', 0],
  ]
}

function persistence(node: NodeServices): InfoFacts {
  const engine = node.engineFacts()
  const saves = node.snapshots.facts()
  return [
    ['loading', 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', saves.changesSince],
    ['rdb_bgsave_in_progress', saves.isSaving ? 1 : 0],
    ['rdb_last_save_time', saves.lastUnixSeconds],
    ['rdb_last_bgsave_status', saves.lastError === '' ? 'ok' : 'err'],
    ['rdb_last_bgsave_time_sec', saves.lastSeconds],
    ['rdb_current_bgsave_time_sec', saves.currentSeconds],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
    ['aof_rewrite_scheduled', 0],
    ['aof_last_rewrite_time_sec', -1],
    ['aof_current_rewrite_time_sec', -1],
    ['aof_last_bgrewrite_status', 'ok'],
    ['aof_last_write_status', engine.lastWriteStatus],
    ['aof_current_size', engine.logBytes],
    ['aof_base_size', 0],
    ['aof_pending_rewrite', 0],
    ['aof_buffer_length', engine.logPendingBytes],
    ['aof_pending_bio_fsync', 0],
    ['aof_delayed_fsync', 0],
    ['module_fork_in_progress', 0],
  ]
}

function storage(node: NodeServices): InfoFacts {
  const engine = node.engineFacts()
  return [
    ['storage_appendfsync', engine.appendfsync],
    ['storage_log_bytes', engine.logBytes],
    ['storage_log_pending_bytes', engine.logPendingBytes],
    ['storage_memtable_bytes', engine.memtableBytes],
    ['storage_table_bytes', engine.tableBytes],
    ['storage_block_cache_bytes', engine.blockCacheBytes],
    ...engine.storageLines,
    ...snapshotFacts(node),
  ]
}

function snapshotFacts(node: NodeServices): InfoFacts {
  const { count, lastBytes, lastError } = node.snapshots.facts()
  return [
    ['storage_snapshots', count],
    ['storage_last_snapshot_bytes', lastBytes],
    ['storage_last_snapshot_error', lastError],
  ]
}

function statistics({ stats }: NodeServices): InfoFacts {
  return [
    ['total_connections_received', stats.connectionsReceived],
    ['total_commands_processed', stats.commandsProcessed],
    ['instantaneous_ops_per_sec', Math.floor(stats.instantaneousOpsPerSecond)],
    ['total_net_input_bytes', stats.netInputBytes],
    ['total_net_output_bytes', stats.netOutputBytes],
    ['total_net_repl_input_bytes', 0],
    ['total_net_repl_output_bytes', 0],
    ['instantaneous_input_kbps', stats.instantaneousInputKbps.toFixed(2)],
    ['instantaneous_output_kbps', stats.instantaneousOutputKbps.toFixed(2)],
    ['instantaneous_input_repl_kbps', '0.00'],
    ['instantaneous_output_repl_kbps', '0.00'],
    ['rejected_connections', stats.rejectedConnections],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['expired_keys', stats.expiredKeys],
    ['expired_stale_perc', '0.00'],
    ['expired_time_cap_reached_count', 0],
    ['evicted_keys', 0],
    ['evicted_clients', 0],
    ['keyspace_hits', stats.keyspaceHits],
    ['keyspace_misses', stats.keyspaceMisses],
    ['pubsub_channels', 0],
    ['pubsub_patterns', 0],
    ['pubsubshard_channels', 0],
    ['latest_fork_usec', 0],
    ['total_forks', 0],
    ['migrate_cached_sockets', 0],
    ['slave_expires_tracked_keys', 0],
    ['active_defrag_hits', 0],
    ['active_defrag_misses', 0],
    ['active_defrag_key_hits', 0],
    ['active_defrag_key_misses', 0],
    ['tracking_total_keys', 0],
    ['tracking_total_items', 0],
    ['tracking_total_prefixes', 0],
    ['unexpected_error_replies', 0],
    ['total_error_replies', stats.errorReplies],
  ]
}

function replication(node: NodeServices): InfoFacts {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', node.runId],
    ['master_replid2', '0'.repeat(40)],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    ['repl_backlog_size', 0],
    ['repl_backlog_first_byte_offset', 0],
    ['repl_backlog_histlen', 0],
  ]
}

function cpu(node: NodeServices): InfoFacts {
  const { systemSeconds, userSeconds } = node.cpu()
  return [
    ['used_cpu_sys', systemSeconds.toFixed(6)],
    ['used_cpu_user', userSeconds.toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
  ]
}

function commandStatistics({ stats }: NodeServices): InfoFacts {
  return [...stats.byCommand]
    .filter(([, counters]) => wasUsed(counters))
    .map(([name, counters]) => {
      const perCall = counters.calls > 0 ? counters.microseconds / counters.calls : 0
      return [
        `cmdstat_${name}`,
        `calls=${counters.calls},usec=${Math.round(counters.microseconds)},usec_per_call=${perCall.toFixed(2)},` +
          `rejected_calls=${counters.rejectedCalls},failed_calls=${counters.failedCalls}`,
      ]
    })
}

function wasUsed({ calls, rejectedCalls, failedCalls }: CommandStats): boolean {
  return calls > 0 || rejectedCalls > 0 || failedCalls > 0
}

function errorStatistics({ stats }: NodeServices): InfoFacts {
  return [...stats.byError].map(([code, count]) => [`errorstat_${code}`, `count=${count}`])
}

function latencyStatistics({ stats }: NodeServices): InfoFacts {
  return [...stats.byCommand]
    .filter(([, { latency }]) => latency.total > 0)
    .map(([name, { latency }]) => {
      const shares = [50, 99, 99.9].map((share) => `p${share}=${latency.percentile(share / 100).toFixed(3)}`)
      return [`latency_percentiles_usec_${name}`, shares.join(',')]
    })
}

function keyspace(node: NodeServices): InfoFacts {
  const { keys, expiringKeys } = node.engineFacts()
  return keys === 0 ? [] : [['db0', `keys=${keys},expires=${expiringKeys},avg_ttl=0`]]
}

function sized(name: string, bytes: number): InfoFacts {
  return [
    [name, bytes],
    [`${name}_human`, humanBytes(bytes)],
  ]
}

/** '967.17K', as Redis shortens sizes. */
export function humanBytes(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T', 'P']
  let unit = 0
  let amount = bytes
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit++
  }
  return unit === 0 ? `${amount}B` : `${amount.toFixed(2)}${units[unit]}`
}

function percent(part: number, whole: number): string {
  return `${(whole > 0 ? (part * 100) / whole : 0).toFixed(2)}%`
}

/**
 * Settings of Redis that Kindred has no knob for, but which clients, exporters and benchmarks ask for with CONFIG GET
 * and would misread when they were missing. Each is a constant that tells the truth about this server. CONFIG SET to
 * the value that already stands does nothing and succeeds; anything else is refused as Redis refuses an immutable one.
 */
export interface FixedSetting {
  readonly name: string
  readonly value: string
  /** On a member of a cluster, where that differs. */
  readonly clusterValue?: string
  readonly reason: string
}

export const FIXED_SETTINGS: readonly FixedSetting[] = [
  {
    name: 'activedefrag',
    value: 'no',
    reason: 'exporters read it; there is no heap of values to defragment',
  },
  {
    name: 'appendonly',
    value: 'yes',
    reason: 'every write goes to the log; redis-benchmark and admin tools ask',
  },
  {
    name: 'cluster-enabled',
    value: 'no',
    clusterValue: 'yes',
    reason:
      'cluster clients and admin tools decide by it; as cluster_enabled of INFO, the same on both ports',
  },
  { name: 'databases', value: '1', reason: 'admin tools list databases from it; only SELECT 0 exists' },
  { name: 'hz', value: '10', reason: 'exporters read it; nothing here runs at that beat' },
  { name: 'io-threads', value: '1', reason: 'tuning tools read it; one event loop serves all clients' },
  {
    name: 'latency-monitor-threshold',
    value: '0',
    reason: 'LATENCY records nothing, and 0 is how Redis says so',
  },
  { name: 'lazyfree-lazy-user-del', value: 'yes', reason: 'DEL and UNLINK are the same here' },
  {
    name: 'lazyfree-lazy-user-flush',
    value: 'yes',
    reason: 'FLUSHALL is a mark, never a walk over the keys',
  },
  { name: 'maxmemory', value: '0', reason: 'keys are never evicted; exporters and queues read it' },
  { name: 'maxmemory-policy', value: 'noeviction', reason: 'queues refuse to work with anything else' },
  { name: 'maxmemory-samples', value: '5', reason: 'exporters read it together with the policy' },
  {
    name: 'notify-keyspace-events',
    value: '',
    reason: 'session libraries look whether events are on; there are none',
  },
  { name: 'replica-read-only', value: 'yes', reason: 'client libraries of sentinel set-ups read it' },
  { name: 'supervised', value: 'no', reason: 'admin tools read it' },
  { name: 'tls-port', value: '0', reason: 'admin tools read it; there is no TLS yet' },
  { name: 'unixsocket', value: '', reason: 'admin tools read it; clients connect by TCP only' },
]

import t from 'tap'
import { humanBytes } from '../../../src/commands/info-sections.js'
import { infoText } from '../../../src/commands/info.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { FakeNode } from './fake-node.js'
import { NodeClient } from './node-client.js'

function titles(text: string): string[] {
  return [...text.matchAll(/^# (.*)\r$/gm)].map(([, title]) => title)
}

function fields(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^([^#:\r\n]+):(.*)\r$/gm)].map(([, name, value]) => [name, value]))
}

async function info(client: NodeClient, ...sections: string[]): Promise<string> {
  return (await client.value('INFO', ...sections)) as string
}

const redis = await PrivateRedis.start()
const connection = await redis.open()
t.teardown(async () => {
  connection.close()
  await redis.stop()
})

/** Redis's own fields that mean nothing here: allocator, forks, active expiry and threads, whose absence no client minds. */
const LEFT_OUT = [
  /^redis_build_id$|^monotonic_clock$|^atomicvar_api$|^gcc_version$|^executable$/,
  /^allocator_(frag|rss)|^rss_overhead|^used_memory_(vm|scripts_eval|functions)|^mem_(total_replication|cluster_links)/,
  /^current_|^rdb_(saves|last_cow|last_load)|^aof_(rewrites|last_cow)|^module_fork_last|^expire_cycle/,
  /^total_(eviction|active_defrag)_|^(dump|reply_buffer|io_threaded)_|^total_(reads|writes)_processed$/,
  /^used_cpu_(sys|user)_main_thread$/,
]

t.test('the sections are those of redis-server in its order, and two of our own', async (t) => {
  const client = new NodeClient()
  for (const names of [
    [],
    ['all'],
    ['everything'],
    ['default'],
    ['Server', 'memory', 'nonsense'],
    ['nonsense'],
  ]) {
    const theirs = titles(await connection.text('INFO', ...names))
    const ours = titles(await info(client, ...names))
    t.same(
      ours.filter((title) => title !== 'Storage' && title !== 'Repair'),
      theirs,
      names.join(' ') || 'none',
    )
  }
  t.same(titles(await info(client, 'keyspace', 'server', 'all', 'server')), titles(await info(client, 'all')))
  t.ok(titles(await info(client)).includes('Storage'))
})

t.test('every field of redis-server is there, apart from a written list', async (t) => {
  const client = new NodeClient()
  client.node.stats.count('get', 5)
  const theirs = [...fields(await connection.text('INFO', 'default')).keys()]
  const ours = fields(await info(client, 'everything'))
  const missing = theirs.filter((name) => !ours.has(name) && !LEFT_OUT.some((pattern) => pattern.test(name)))
  t.same(missing, [])
})

t.test(
  'INFO is a bulk string in RESP2 and a verbatim one in RESP3, empty for an unknown section',
  async (t) => {
    const client = new NodeClient()
    t.equal(await client.text('INFO', 'nonsense'), '$0\r\n\r\n')
    t.equal(await client.text('INFO', 'cluster'), '$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n')
    await client.text('HELLO', '3')
    t.equal(await client.text('INFO', 'cluster'), '=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n')
  },
)

t.test('clients find what they connect by: version, loading, eviction policy', async (t) => {
  const found = fields(await info(new NodeClient()))
  t.equal(found.get('redis_version'), '7.0.15')
  t.equal(found.get('kindred_version'), '0.1.0')
  t.equal(found.get('loading'), '0')
  t.equal(found.get('maxmemory_policy'), 'noeviction')
  t.equal(found.get('role'), 'master')
  t.equal(found.get('cluster_enabled'), '0')
})

t.test('exporters find the figures of the node', async (t) => {
  const node = new FakeNode()
  const client = new NodeClient(node)
  node.connect().outputBufferBytes = 500
  node.clock.advance(90_061_000)
  node.stats.count('client|list', 10)
  node.stats.count('get', 3)
  node.stats.count('get', 5)
  node.stats.byError.set('WRONGPASS', 4)
  t.match(Object.fromEntries(fields(await info(client, 'everything'))), {
    uptime_in_seconds: '90061',
    uptime_in_days: '1',
    connected_clients: '2',
    maxclients: '10000',
    client_recent_max_output_buffer: '500',
    used_memory: String(10 * 1024 * 1024),
    used_memory_human: '10.00M',
    used_memory_rss: String(50 * 1024 * 1024),
    used_memory_dataset: '3072',
    mem_fragmentation_ratio: '5.00',
    total_system_memory_human: '4.00G',
    rdb_last_save_time: '1799999000',
    aof_enabled: '1',
    aof_current_size: '1000',
    storage_appendfsync: 'always',
    storage_tables: '3',
    total_connections_received: '3',
    instantaneous_ops_per_sec: '12',
    instantaneous_input_kbps: '1.50',
    used_cpu_user: '1.500000',
    'cmdstat_client|list': 'calls=1,usec=10,usec_per_call=10.00,rejected_calls=0,failed_calls=0',
    cmdstat_get: 'calls=2,usec=8,usec_per_call=4.00,rejected_calls=0,failed_calls=0',
    latency_percentiles_usec_get: 'p50=3.000,p99=5.000,p99.9=5.000',
    errorstat_WRONGPASS: 'count=4',
    db0: 'keys=5,expires=2,avg_ttl=0',
  })
})

t.test('an empty keyspace has no line, and a failed write shows', async (t) => {
  const node = new FakeNode()
  node.engine = { ...node.engine, keys: 0, lastWriteStatus: 'err' }
  t.equal(infoText(node, 'plain', new Set(['keyspace'])), '# Keyspace\r\n')
  t.equal(fields(infoText(node, 'plain', new Set(['persistence']))).get('aof_last_write_status'), 'err')
})

t.test('memory that is reserved and was never touched does not count as used', async (t) => {
  const node = new FakeNode()
  const memory = node.memory()
  node.memory = () => ({ ...memory, externalBytes: 2 ** 40 })
  t.match(Object.fromEntries(fields(infoText(node, 'plain', new Set(['memory'])))), {
    used_memory: String(memory.residentBytes),
    mem_fragmentation_ratio: '1.00',
  })
})

t.test('sizes are shortened as Redis shortens them', async (t) => {
  t.same([0, 1023, 1024, 990_384, 1_074_048, 2 ** 31, 5e12, 2 ** 60].map(humanBytes), [
    '0B',
    '1023B',
    '1.00K',
    '967.17K',
    '1.02M',
    '2.00G',
    '4.55T',
    '1024.00P',
  ])
})

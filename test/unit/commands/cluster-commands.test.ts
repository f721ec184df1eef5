import t from 'tap'
import type { Test } from 'tap'
import { CLUSTER_ROWS } from '../../../src/commands/table/cluster-rows.js'
import { SLOT_COUNT, slotOf } from '../../../src/ring/slot.js'
import { FakeCluster, linkOf } from './fake-cluster.js'
import { FakeNode } from './fake-node.js'
import { MapKeyspace } from './map-keyspace.js'
import { NodeClient } from './node-client.js'
import type { ReplyValue } from './reply-value.js'

interface SlotsEntry {
  readonly first: number
  readonly last: number
  readonly ports: readonly number[]
}

function clientOf(cluster: FakeCluster, keyspace?: MapKeyspace): NodeClient {
  const node = new FakeNode()
  node.cluster = cluster
  return new NodeClient(node, undefined, keyspace)
}

async function slotsOf(client: NodeClient): Promise<readonly SlotsEntry[]> {
  const reply = (await client.value('CLUSTER', 'SLOTS')) as readonly (readonly ReplyValue[])[]
  return reply.map(([first, last, ...nodes]) => ({
    first: first as number,
    last: last as number,
    ports: nodes.map((node) => (node as readonly ReplyValue[])[1] as number),
  }))
}

/** Who serves each slot by CLUSTER SLOTS, as smart ports; undefined where nobody does. */
async function bySlot(client: NodeClient): Promise<(readonly number[] | undefined)[]> {
  const slots = new Array<readonly number[] | undefined>(SLOT_COUNT).fill(undefined)
  for (const { first, last, ports } of await slotsOf(client)) slots.fill(ports, first, last + 1)
  return slots
}

function listedPorts(cluster: FakeCluster, slot: number): number[] {
  return Array.from(
    { length: cluster.ring.replicas },
    (_, place) => 8001 + cluster.ring.memberAt(slot, place),
  )
}

t.test(
  'CLUSTER SLOTS names for every slot its preference list, by smart ports, in as few ranges as possible',
  async (t) => {
    const cluster = new FakeCluster(5)
    const client = clientOf(cluster)
    const slots = await bySlot(client)
    const wrong = slots.findIndex((ports, slot) => ports?.join() !== listedPorts(cluster, slot).join())
    t.equal(wrong, -1)
    const entries = await slotsOf(client)
    entries.forEach(({ first, last, ports }, i) => {
      if (first > last || (i > 0 && first !== entries[i - 1].last + 1)) t.fail(`range ${first}-${last}`)
      if (i > 0 && ports.join() === entries[i - 1].ports.join())
        t.fail(`${first}-${last} goes on the one before`)
    })
    const [entry] = (await client.value('CLUSTER', 'SLOTS')) as readonly (readonly ReplyValue[])[]
    const { id, address, smartPort } = cluster.members[cluster.ring.memberAt(0, 0)]
    t.same(entry[2], [address, smartPort, id, []])
  },
)

t.test(
  'CLUSTER SLOTS follows liveness: the next replica takes the place of a home that is down',
  async (t) => {
    const cluster = new FakeCluster(5)
    cluster.states.set(1, 'down')
    const slots = await bySlot(clientOf(cluster))
    const wrong = slots.findIndex(
      (ports, slot) =>
        ports?.join() !==
        listedPorts(cluster, slot)
          .filter((port) => port !== 8002)
          .join(),
    )
    t.equal(wrong, -1)
  },
)

t.test('H1 a member that is up but unfit is no home, and still listed behind it', async (t) => {
  const cluster = new FakeCluster(5)
  cluster.unfit.set(1, ['disk'])
  const slots = await bySlot(clientOf(cluster))
  const wrong = slots.findIndex((ports, slot) => {
    const listed = listedPorts(cluster, slot)
    const home = listed.find((port) => port !== 8002)
    return ports?.join() !== [home, ...listed.filter((port) => port !== home)].join()
  })
  t.equal(wrong, -1)
})

t.test('CLUSTER SLOTS leaves out what nobody serves; joined ranges then never span the gap', async (t) => {
  const cluster = new FakeCluster(5, 0, 2)
  cluster.states.set(1, 'down').set(2, 'down')
  const slots = await bySlot(clientOf(cluster))
  const wrong = slots.findIndex((ports, slot) => {
    const live = listedPorts(cluster, slot).filter((port) => port !== 8002 && port !== 8003)
    return (ports ?? []).join() !== live.join()
  })
  t.equal(wrong, -1)
  t.ok(slots.includes(undefined))
  t.match(await clientOf(cluster).value('CLUSTER', 'INFO'), /cluster_state:fail\r\n/)
})

t.test('a node alone in its cluster serves everything in one range', async (t) => {
  t.same(await slotsOf(clientOf(new FakeCluster(1))), [{ first: 0, last: 16383, ports: [8001] }])
})

t.test('CLUSTER NODES is ring ownership, equal on all nodes but for myself and what links say', async (t) => {
  const texts = await Promise.all([0, 1, 2].map((self) => nodesOf(new FakeCluster(3, self))))
  const stripped = texts.map((lines) =>
    lines.map((line) => line.replace('myself,', '').replace(/ - \d+ \d+ /, ' ')),
  )
  t.same(stripped[1], stripped[0])
  t.same(stripped[2], stripped[0])
  texts.forEach((lines, self) => {
    t.same(
      lines.map((line) => line.split(' ')[2]),
      [0, 1, 2].map((member) => (member === self ? 'myself,master' : 'master')),
    )
  })
  const covered = new Array<number>(SLOT_COUNT).fill(-1)
  const cluster = new FakeCluster(3)
  texts[0].forEach((line, member) => {
    const [id, address, , replicaOf, , , , link, ...ranges] = line.split(' ')
    t.equal(id, cluster.members[member].id)
    t.equal(address, `127.0.0.1:${8001 + member}@${17001 + member}`)
    t.equal(replicaOf, '-')
    t.equal(link, 'connected')
    for (const range of ranges) {
      const [first, last = first] = range.split('-').map(Number)
      covered.fill(member, first, last + 1)
    }
  })
  t.equal(
    covered.findIndex((member, slot) => member !== cluster.ring.memberAt(slot, 0)),
    -1,
  )
})

t.test('CLUSTER NODES keeps the ranges of a member that is down, and flags it', async (t) => {
  const cluster = new FakeCluster(3)
  const before = await nodesOf(cluster)
  cluster.states.set(1, 'down').set(2, 'suspicious')
  cluster.links.set(1, [linkOf({ isConnected: false, pingSentAtMs: 5.5, heardAtMs: 0 })])
  const after = await nodesOf(cluster)
  t.equal(after[0], before[0])
  t.same(after[1].split(' ').slice(2, 8), [
    'master,fail?',
    '-',
    '6',
    '0',
    after[0].split(' ')[6],
    'disconnected',
  ])
  t.same(after[1].split(' ').slice(8), before[1].split(' ').slice(8))
  t.equal(after[2].split(' ')[2], 'master', 'suspicion is no failure')
})

t.test('CLUSTER NODES says fail? of whom this node alone holds down, fail of whom two do', async (t) => {
  const cluster = new FakeCluster(3)
  const flags = async () => (await nodesOf(cluster)).map((line) => line.split(' ')[2])
  cluster.states.set(1, 'down')
  cluster.holders.set(1, [0])
  t.same(await flags(), ['myself,master', 'master,fail?', 'master'])
  cluster.holders.set(1, [0, 2])
  t.same(await flags(), ['myself,master', 'master,fail', 'master'])
  cluster.states.clear()
  cluster.holders.set(1, [2])
  t.same(
    await flags(),
    ['myself,master', 'master', 'master'],
    'what another one alone holds down is its matter',
  )
})

async function nodesOf(cluster: FakeCluster): Promise<string[]> {
  const text = (await clientOf(cluster).value('CLUSTER', 'NODES')) as string
  return text.split('\n').slice(0, -1)
}

t.test('CLUSTER SHARDS groups slots of equal lists, with roles by the ring and health as seen', async (t) => {
  const cluster = new FakeCluster(4)
  cluster.states.set(2, 'down')
  const client = clientOf(cluster)
  await client.text('HELLO', '3')
  const shards = (await client.value('CLUSTER', 'SHARDS')) as readonly ReadonlyMap<string, ReplyValue>[]
  const seen = new Array<string>(SLOT_COUNT).fill('')
  for (const shard of shards) {
    const nodes = shard.get('nodes') as readonly ReadonlyMap<string, ReplyValue>[]
    const ranges = shard.get('slots') as readonly number[]
    t.same(
      nodes.map((node) => node.get('role')),
      ['master', 'replica', 'replica'],
    )
    for (const node of nodes) t.equal(node.get('health'), node.get('port') === 8003 ? 'failed' : 'online')
    t.ok(ranges.length > 0)
    for (let i = 0; i < ranges.length; i += 2) {
      seen.fill(nodes.map((node) => Number(node.get('port'))).join(), ranges[i], ranges[i + 1] + 1)
    }
  }
  t.equal(
    seen.findIndex((ports, slot) => ports !== listedPorts(cluster, slot).join()),
    -1,
  )
  t.same(
    [...(shards[0].get('nodes') as ReadonlyMap<string, ReplyValue>[])[0].keys()],
    ['id', 'port', 'ip', 'endpoint', 'role', 'replication-offset', 'health'],
  )
  await client.text('HELLO', '2')
  const [flat] = (await client.value('CLUSTER', 'SHARDS')) as readonly (readonly ReplyValue[])[]
  t.same([flat[0], flat[2]], ['slots', 'nodes'])
})

t.test(
  'CLUSTER INFO counts slots by whether their owner is down or failed, and by who is home',
  async (t) => {
    const cluster = new FakeCluster(3)
    const fields = async () => Object.fromEntries(lines(await clientOf(cluster).value('CLUSTER', 'INFO')))
    t.match(await fields(), {
      cluster_state: 'ok',
      cluster_slots_assigned: '16384',
      cluster_slots_ok: '16384',
      cluster_slots_pfail: '0',
      cluster_slots_fail: '0',
      cluster_known_nodes: '3',
      cluster_size: '3',
    })
    cluster.states.set(1, 'down')
    const led = cluster.ring
      .primaryRanges(1)
      .reduce((sum, range) => sum + range.lastSlot - range.firstSlot + 1, 0)
    t.match(await fields(), {
      cluster_state: 'ok',
      cluster_slots_ok: String(SLOT_COUNT - led),
      cluster_slots_pfail: String(led),
      cluster_slots_fail: '0',
      cluster_slots_elsewhere: String(led),
      cluster_slots_homeless: '0',
    })
    cluster.holders.set(1, [0, 2])
    t.match(await fields(), {
      cluster_state: 'ok',
      cluster_slots_ok: String(SLOT_COUNT - led),
      cluster_slots_pfail: '0',
      cluster_slots_fail: String(led),
    })
    cluster.states.clear()
    cluster.holders.clear()
    cluster.unfit.set(2, ['disk'])
    t.match(await fields(), { cluster_slots_ok: '16384', cluster_slots_homeless: '0' })
    t.not((await fields()).cluster_slots_elsewhere, '0', 'an unfit owner is not down')
    for (const member of [0, 1, 2]) cluster.states.set(member, 'down')
    t.match(await fields(), {
      cluster_state: 'fail',
      cluster_slots_ok: '0',
      cluster_slots_pfail: '16384',
      cluster_slots_homeless: '16384',
    })
  },
)

function lines(text: ReplyValue): [string, string][] {
  return (text as string)
    .split('\r\n')
    .slice(0, -1)
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
}

t.test('CLUSTER LINKS lists the connections that are up, in both directions', async (t) => {
  const cluster = new FakeCluster(3)
  cluster.links.set(1, [linkOf({ sendBufferUsedBytes: 70 }), linkOf({ direction: 'from' })])
  cluster.links.set(2, [linkOf({ isConnected: false })])
  const client = clientOf(cluster)
  await client.text('HELLO', '3')
  const reply = (await client.value('CLUSTER', 'LINKS')) as readonly ReadonlyMap<string, ReplyValue>[]
  const node = cluster.members[1].id
  const common = { node, 'create-time': 1_800_000_000_000, 'send-buffer-allocated': 4096 }
  t.same(
    reply.map((link) => Object.fromEntries(link)),
    [
      { direction: 'to', events: 'rw', 'send-buffer-used': 70, ...common },
      { direction: 'from', events: 'r', 'send-buffer-used': 0, ...common },
    ],
  )
})

t.test('CLUSTER MYID, KEYSLOT and REPLICAS', async (t) => {
  const cluster = new FakeCluster(3, 2)
  const client = clientOf(cluster)
  t.equal(await client.value('CLUSTER', 'MYID'), cluster.members[2].id)
  t.equal(await client.value('CLUSTER', 'KEYSLOT', 'foo'), 12182)
  t.equal(await client.value('CLUSTER', 'KEYSLOT', '{foo}.bar'), 12182)
  t.same(await client.value('CLUSTER', 'REPLICAS', cluster.members[1].id), [])
  t.equal(await client.value('CLUSTER', 'REPLICAS', 'nobody'), '-ERR Unknown node nobody')
  t.equal(await client.value('CLUSTER', 'MEET', 'x'), "-ERR unknown subcommand 'MEET'. Try CLUSTER HELP.")
})

t.test('CLUSTER HELP comes from the table', async (t) => {
  const reply = (await clientOf(new FakeCluster()).value('CLUSTER', 'HELP')) as readonly string[]
  for (const row of CLUSTER_ROWS.flatMap(({ subcommands = [] }) => subcommands)) {
    t.ok(
      reply.some((line) => line.startsWith(`+${row.name.toUpperCase()}`)),
      row.name,
    )
  }
})

t.test(
  'READONLY and READWRITE switch the connection, RESET switches it back, ASKING is accepted',
  async (t) => {
    const client = clientOf(new FakeCluster())
    t.equal(await client.value('READONLY'), '+OK')
    t.equal(client.session.readsFromReplicas, true)
    t.equal(await client.value('READWRITE'), '+OK')
    t.equal(client.session.readsFromReplicas, false)
    await client.text('READONLY')
    await client.text('RESET')
    t.equal(client.session.readsFromReplicas, false)
    t.equal(await client.value('ASKING'), '+OK')
  },
)

t.test('CLIENT CAPA takes any capability, also on a single node', async (t) => {
  const client = new NodeClient()
  t.equal(await client.value('CLIENT', 'CAPA', 'redirect'), '+OK')
  t.equal(await client.value('CLIENT', 'CAPA', 'redirect', 'of-the-future'), '+OK')
  t.equal(await client.value('CLIENT', 'CAPA'), "-ERR wrong number of arguments for 'client|capa' command")
})

t.test('a plain connection is told standalone, a smart one cluster; CLUSTER works on both', async (t) => {
  const modes = async (cluster: FakeCluster | null, listener: 'plain' | 'smart') => {
    const client = new NodeClient()
    client.node.cluster = cluster
    client.session.listener = listener
    const hello = (await client.value('HELLO', '2')) as readonly ReplyValue[]
    const info = new Map(lines(await client.value('INFO')))
    return [hello[hello.indexOf('mode') + 1], info.get('redis_mode'), info.get('cluster_enabled')]
  }
  t.same(await modes(null, 'plain'), ['standalone', 'standalone', '0'])
  t.same(await modes(null, 'smart'), ['standalone', 'standalone', '0'])
  t.same(await modes(new FakeCluster(), 'plain'), ['standalone', 'standalone', '1'])
  t.same(await modes(new FakeCluster(), 'smart'), ['cluster', 'cluster', '1'])
})

t.test('INFO counts siblings, repairs, uncertain writes, refusals, and says who is seen how', async (t) => {
  const cluster = new FakeCluster(3)
  cluster.states.set(1, 'suspicious')
  cluster.unfit.set(2, ['disk', 'clock'])
  cluster.links.set(2, [linkOf({ clockOffsetMs: -12.34, roundTripMs: 0.5 }), linkOf({ direction: 'from' })])
  const client = clientOf(cluster)
  const [, name1, name2] = cluster.members.map((member) => member.name)
  t.match(Object.fromEntries(lines(await client.value('INFO', 'cluster'))), {
    cluster_sibling_merges: '1',
    cluster_long_vectors_received: '2',
    cluster_read_repairs: '4',
    cluster_uncertain_writes: '10',
    cluster_refused_by_peers: 'placement=1,stamped-ahead=2',
    cluster_refused_to_peers: '',
    cluster_links_closed: 'lost=3',
    [`cluster_member_${name1}`]: 'state=suspicious',
    [`cluster_member_${name2}`]: 'state=up,unfit=disk+clock,clock_offset_ms=-12.3,round_trip_ms=0.5',
  })
  t.match(await client.value('INFO', 'clients'), /cluster_connections:3\r\n/)
})

t.test('INFO counts gossip, and the members that are up, suspicious, down and failed', async (t) => {
  const cluster = new FakeCluster(5)
  cluster.states.set(1, 'suspicious').set(2, 'down').set(3, 'down')
  cluster.holders.set(2, [0]).set(3, [0, 4])
  const { members } = cluster
  t.match(Object.fromEntries(lines(await clientOf(cluster).value('INFO', 'cluster'))), {
    cluster_gossip_rounds: '13',
    cluster_stats_messages_sent: '14',
    cluster_stats_messages_received: '15',
    cluster_gossip_bytes_sent: '16',
    cluster_gossip_bytes_received: '17',
    cluster_gossip_malformed: '18',
    cluster_members_up: '2',
    cluster_members_suspicious: '1',
    cluster_members_down: '2',
    cluster_members_failed: '1',
    [`cluster_member_${members[2].name}`]: `state=down,held_down_by=${members[0].name}`,
    [`cluster_member_${members[3].name}`]: `state=down,held_down_by=${members[0].name}+${members[4].name}`,
  })
})

t.test(
  'the keys of a slot are counted and listed, whatever lies beside them and in whatever steps',
  async (t) => {
    for (const cold of [false, true]) {
      const keyspace = new MapKeyspace()
      const keys = Array.from({ length: 3000 }, (_, i) => `key:${i}`)
      const tagged = Array.from({ length: 700 }, (_, i) => `{tag}:${i}`)
      fill(keyspace, [...keys, ...tagged])
      keyspace.cold = cold
      const client = clientOf(new FakeCluster(), keyspace)
      const slot = slotOfText('{tag}')
      const expected = [...keys, ...tagged].filter((key) => slotOfText(key) === slot).sort()
      const ask = async (...args: readonly string[]) => {
        keyspace.endCommand()
        keyspace.beginAttempt()
        return client.value(...args)
      }
      t.equal(await ask('CLUSTER', 'COUNTKEYSINSLOT', `${slot}`), expected.length)
      const listed = (await ask('CLUSTER', 'GETKEYSINSLOT', `${slot}`, '100000')) as readonly string[]
      t.same([...listed].sort(), expected)
      t.equal(((await ask('CLUSTER', 'GETKEYSINSLOT', `${slot}`, '300')) as readonly string[]).length, 300)
      t.same(await ask('CLUSTER', 'GETKEYSINSLOT', `${slot}`, '0'), [])
      await everySlotIsRight(t, ask, [...keys, ...tagged])
    }
  },
)

async function everySlotIsRight(
  t: Test,
  ask: (...args: readonly string[]) => Promise<ReplyValue>,
  keys: readonly string[],
): Promise<void> {
  const bySlot = new Map<number, number>([
    [0, 0],
    [SLOT_COUNT - 1, 0],
  ])
  for (const key of keys) bySlot.set(slotOfText(key), (bySlot.get(slotOfText(key)) ?? 0) + 1)
  const wrong: number[] = []
  for (const [slot, count] of bySlot) {
    if ((await ask('CLUSTER', 'COUNTKEYSINSLOT', `${slot}`)) !== count) wrong.push(slot)
  }
  t.same(wrong, [])
}

function fill(keyspace: MapKeyspace, keys: readonly string[]): void {
  for (const key of keys) {
    const bytes = Buffer.from(key)
    keyspace.beginAttempt()
    keyspace.find(bytes, 0, bytes.length)
    keyspace.set(bytes, 0, bytes.length, bytes, 0, bytes.length, 0)
  }
}

function slotOfText(key: string): number {
  const bytes = Buffer.from(key)
  return slotOf(bytes, 0, bytes.length)
}

t.test('slots out of range and counts that are none are refused in Redis’s words', async (t) => {
  const client = clientOf(new FakeCluster(), new MapKeyspace())
  const integer = '-ERR value is not an integer or out of range'
  t.equal(await client.value('CLUSTER', 'COUNTKEYSINSLOT', '16384'), '-ERR Invalid slot')
  t.equal(await client.value('CLUSTER', 'COUNTKEYSINSLOT', '-1'), '-ERR Invalid slot')
  t.equal(await client.value('CLUSTER', 'COUNTKEYSINSLOT', 'x'), integer)
  t.equal(await client.value('CLUSTER', 'GETKEYSINSLOT', '16384', '1'), '-ERR Invalid slot or number of keys')
  t.equal(await client.value('CLUSTER', 'GETKEYSINSLOT', '1', '-1'), '-ERR Invalid slot or number of keys')
  t.equal(await client.value('CLUSTER', 'GETKEYSINSLOT', '1', 'x'), integer)
})

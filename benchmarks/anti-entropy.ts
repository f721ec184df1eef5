/**
 * What it costs two replicas to find out what differs: KV.REPAIR of a node that has missed 100 of its keys, and of one that has
 * missed none, in bytes over the links and in seconds. Beside it what there is without trees: the keys and digests of everything,
 * which is reckoned with the encoder of such lists, and a copy of everything, as a node makes it that lost its directory.
 * Also how long it takes until a node that starts has its trees: those it has saved, and those it has to count anew.
 *
 * Hints are off and the background is quiet, so that nothing but what is asked for repairs anything.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIST_KEYS_MAX, writeDigests } from '../src/repair/exchange-messages.js'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { rowsBeside } from './measure/comparison.js'
import type { Comparison } from './measure/comparison.js'
import { Figures, progress, takeTurns } from './measure/turns.js'
import type { Contender } from './measure/turns.js'
import { KindredCluster } from './servers/kindred-cluster.js'
import { RespClient } from './servers/resp-client.js'
import { eventually } from './servers/server-group.js'

const KEYS = 1_000_000
const DIFFERING = 100
const VALUE_BYTES = 100
const FOLLOW_MS = 10
const LIMIT_MS = 900_000
/** The node that misses something. */
const NODE = 0
const SETTINGS = {
  'anti-entropy-interval': 0,
  'anti-entropy-rate': 0,
  'hinted-handoff-enabled': 'no',
}

interface Exchanged {
  readonly bytes: number
  readonly seconds: number
}

export const antiEntropy: Benchmark = {
  name: 'anti-entropy',
  summary: 'two replicas compare a million keys, with 100 differing and with none: bytes and seconds',
  minutes: 8,
  turns: 1,
  async run(options) {
    const keys = options.keys ?? scaled(KEYS, options)
    const all: AllFigures = {
      none: new Figures(),
      some: new Figures(),
      copy: new Figures(),
      list: new Figures(),
      saved: new Figures(),
      counted: new Figures(),
    }
    await takeTurns(options.turns, [contenderOf(keys, options, all)])
    return { rows: rowsOf(all), notes: notesOf(keys) }
  },
}

/** Nothing differs, some keys differ, everything is copied, the keys and digests of everything; trees kept, trees lost. */
type AllFigures = Readonly<Record<'none' | 'some' | 'copy' | 'list' | 'saved' | 'counted', Figures>>

function contenderOf(
  keys: number,
  options: BenchmarkOptions,
  { none, some, copy, list, saved, counted }: AllFigures,
): Contender {
  return {
    name: 'Kindred',
    async turn() {
      const cluster = await KindredCluster.start(options.directory, 'everysec', { settings: SETTINGS })
      try {
        progress(`filling three nodes with ${keys} keys`)
        await fill(cluster.nodes[1].port, keys, VALUE_BYTES, () => {})
        await cluster.group.settle()
        // What clients were not told of may differ still, and the trees of a node that was filled are complete.
        await repaired(cluster)
        add(none, await repaired(cluster))
        await missSome(cluster, keys)
        add(some, await repaired(cluster))
        saved.add('seconds', await treesOnceStarted(cluster, () => {}))
        counted.add('seconds', await treesOnceStarted(cluster, () => cluster.loseTrees(NODE)))
        add(copy, await copiedWhole(cluster))
        list.add('bytes', listBytes(keys))
      } finally {
        await cluster.group.stop()
      }
    },
  }
}

function add(figures: Figures, { bytes, seconds }: Exchanged): void {
  figures.add('bytes', bytes)
  figures.add('seconds', seconds)
}

/** KV.REPAIR of the node, with both of the others. */
async function repaired(cluster: KindredCluster): Promise<Exchanged> {
  await haveTrees(cluster)
  const client = await RespClient.connect(cluster.nodes[NODE].port)
  try {
    const before = Number((await client.info('repair')).get('repair_bytes'))
    const began = performance.now()
    const reply = await client.call('KV.REPAIR')
    if (reply instanceof Error) throw reply
    const after = await followed(client, (info) => info.get('repair_demanded_ranges') === '0')
    if (after.get('repair_exchanges_failed') !== '0') throw new Error('an exchange was not finished')
    return {
      bytes: Number(after.get('repair_bytes')) - before,
      seconds: (performance.now() - began) / 1000,
    }
  } finally {
    client.close()
  }
}

/** Stops the node while so many keys get other values. */
async function missSome(cluster: KindredCluster, keys: number): Promise<void> {
  await cluster.group.servers[NODE].stop()
  const client = await RespClient.connect(cluster.nodes[1].port)
  try {
    for (let i = 0; i < DIFFERING; i++) {
      const key = `key:${String(Math.floor((i * keys) / DIFFERING)).padStart(12, '0')}`
      await eventually(`${key} cannot be written`, async () => {
        const reply = await client.call('SET', key, 'another value')
        if (reply instanceof Error) throw reply
      })
    }
  } finally {
    client.close()
  }
  await cluster.restart(NODE)
  await cluster.whenReady()
}

/** Seconds from a node's start until it has the trees of all its ranges; `meanwhile` is called while it is not running. */
async function treesOnceStarted(cluster: KindredCluster, meanwhile: () => void): Promise<number> {
  await cluster.group.servers[NODE].stop()
  meanwhile()
  const began = performance.now()
  await cluster.restart(NODE)
  const client = await RespClient.connect(cluster.nodes[NODE].port)
  try {
    await followed(client, hasTrees)
    return (performance.now() - began) / 1000
  } finally {
    client.close()
  }
}

function hasTrees(info: ReadonlyMap<string, string>): boolean {
  return info.get('repair_ranges_with_trees') === info.get('repair_ranges')
}

/** Loses the node's directory; answers what copying everything from one of its replicas took. */
async function copiedWhole(cluster: KindredCluster): Promise<Exchanged> {
  await cluster.group.servers[NODE].kill()
  cluster.wipe(NODE)
  await cluster.restart(NODE)
  const client = await RespClient.connect(cluster.nodes[NODE].port)
  try {
    const began = performance.now()
    const copied = await followed(client, (info) => {
      return Number(info.get('repair_ranges_exchanged')) >= Number(info.get('repair_ranges'))
    })
    return { bytes: Number(copied.get('repair_bytes')), seconds: (performance.now() - began) / 1000 }
  } finally {
    client.close()
  }
}

/** What the lists of so many keys with their digests take that an exchange without trees asks for. */
function listBytes(keys: number): number {
  const list = { next: 0, tokens: new Array<number>(LIST_KEYS_MAX).fill(0) }
  const bytes = writeDigests({ ...list, digests: new Uint32Array(2 * LIST_KEYS_MAX) }).length
  return Math.round((keys * bytes) / LIST_KEYS_MAX)
}

/** Every node has complete trees of all its ranges, and answers for them. */
async function haveTrees(cluster: KindredCluster): Promise<void> {
  for (const { port } of cluster.nodes) {
    const client = await RespClient.connect(port)
    try {
      await followed(client, (info) => {
        return (
          hasTrees(info) && info.get('repair_unjudged_ranges') === '0' && info.get('repair_running') === '0'
        )
      })
    } finally {
      client.close()
    }
  }
}

/** The fields of INFO once they are as wanted, asked for again and again. */
async function followed(
  client: RespClient,
  isWanted: (info: ReadonlyMap<string, string>) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const began = performance.now()
  for (;;) {
    const info = await client.info('repair')
    if (isWanted(info)) return info
    if (performance.now() - began > LIMIT_MS) throw new Error('an exchange takes too long')
    await sleep(FOLLOW_MS)
  }
}

function rowsOf({ none, some, copy, list, saved, counted }: AllFigures): Comparison[] {
  const exchanges = [[none, 'nothing differs'] as const, [some, `${DIFFERING} keys differ`] as const].flatMap(
    ([figures, name]) => {
      const besideList = rowsBeside(figures, 'keys and digests of everything', list)
      const besideCopy = rowsBeside(figures, 'a copy of everything', copy)
      return [
        besideList(`${name}: exchanged`, 'bytes', 'bytes'),
        besideCopy(`${name}: exchanged`, 'bytes', 'bytes'),
        besideCopy(`${name}: duration`, 's', 'seconds'),
      ]
    },
  )
  const besideCounted = rowsBeside(saved, 'trees counted anew', counted)
  return [...exchanges, besideCounted('start until trees are whole', 's', 'seconds')]
}

function notesOf(keys: number): string[] {
  return [
    `${keys} keys with values of ${VALUE_BYTES} B on three nodes, everysec, no background exchanges, no hints, no rate limit; one node was ` +
      `stopped while ${DIFFERING} keys got other values`,
    'KV.REPAIR compares the node with both others, and its bytes are those of both, records included; the lists and the copy are of one',
  ]
}

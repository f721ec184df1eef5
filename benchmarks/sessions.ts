/**
 * Sessions: written with a time to live, read, touched by EXPIRE, forgotten. What that costs the disk, above all what is written
 * again because something expires, and what the clients feel while it does. Kindred with its windows of death time beside itself
 * without them (all in levels), and Redis with its AOF and rewrites. Every server is held to the same memory.
 *
 * Time is scaled, the same for all: sessions live 60 s instead of 30 minutes, and windows are 10 s instead of 5 minutes wide.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesOnDisk } from './engines/directory-size.js'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { startSessions } from './load/session-child.js'
import type { SessionFigures } from './load/session-load.js'
import { rowsBeside } from './measure/comparison.js'
import { bytesWritten } from './measure/process-facts.js'
import { MB } from './measure/units.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import { MemoryGroup } from './servers/memory-group.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'

const SESSIONS = 1_000_000
const VALUE_BYTES = 1000
const TTL_SECONDS = 60
const REQUESTS_PER_SECOND = 8000
const READ_SHARE = 0.8
const GROUP = 16
const CONNECTIONS = 20
const USE_SECONDS = 60
/** Of the sessions, that stay in use while the others expire. */
const STAY_SHARE = 0.1
const AFTER_SECONDS = 20
const SPARE_SECONDS = 5
const MEMORY_MB = 2048
const SETTINGS = ['--block-cache-size', '512mb', '--segment-size', '64mb', '--segments-max', '4']
const WINDOW_TIERS = '2m:10s 30m:2m 1d'

interface Subject {
  readonly name: string
  start(directory: string): Promise<ServerProcess>
}

const SUBJECTS: readonly Subject[] = [
  {
    name: 'Kindred, windows',
    start: (directory) => startKindred(directory, 'everysec', ...SETTINGS, '--window-tiers', WINDOW_TIERS),
  },
  {
    name: 'Kindred, levels',
    start: (directory) => startKindred(directory, 'everysec', ...SETTINGS, '--window-tiers', 'no'),
  },
  { name: 'Redis', start: (directory) => startRedis(directory, 'everysec') },
]

export const sessions: Benchmark = {
  name: 'sessions',
  summary:
    'a million sessions that are written, touched and forgotten: bytes written, disk space, p99 while they expire',
  minutes: 10,
  turns: 1,
  async run(options) {
    let missing: string | null = null
    const contenders = SUBJECTS.map((subject) => contenderOf(subject, options, (text) => (missing = text)))
    const [windows, levels, redis] = await takeTurns(options.turns, contenders)
    const rows = [['levels', levels] as const, ['Redis', redis] as const].flatMap(([name, peer]) => {
      const row = rowsBeside(windows, name, peer)
      return [
        row('bytes written for a byte of value, created and touched', '', 'amplification'),
        row('the same while most of them expire, of what is touched then', '', 'amplification expiry'),
        row('on disk when all had been created', 'MB', 'disk full'),
        row('on disk when they had expired', 'MB', 'disk after'),
        row('read p99: all in use', 'ms', 'read p99 use'),
        row('read p99: while they expire', 'ms', 'read p99 expiry'),
        row('touch p99: all in use', 'ms', 'touch p99 use'),
        row('touch p99: while they expire', 'ms', 'touch p99 expiry'),
        row('creating all', 's', 'create'),
      ]
    })
    return { rows, notes: notesOf(options, missing, [windows, levels, redis]) }
  },
}

function contenderOf(
  subject: Subject,
  options: BenchmarkOptions,
  onMissing: (text: string | null) => void,
): Contender {
  return {
    name: subject.name,
    async turn(figures) {
      const directory = temporaryFolder(options.directory, 'sessions')
      const server = await subject.start(directory)
      const group = new MemoryGroup(`kindred-sessions-${process.pid}`, MEMORY_MB * MB)
      onMissing(group.missing)
      group.enter(server.pid)
      try {
        await run(server, directory, figures, options)
      } finally {
        await server.stop()
        group.remove()
        removeFolder(directory)
      }
    },
  }
}

async function run(
  server: ServerProcess,
  directory: string,
  figures: Figures,
  options: BenchmarkOptions,
): Promise<void> {
  const count = scaled(SESSIONS, options)
  const load = await startSessions({
    port: server.port,
    sessions: count,
    valueBytes: VALUE_BYTES,
    ttlSeconds: TTL_SECONDS,
    connections: CONNECTIONS,
    groupSize: GROUP,
  })
  try {
    const use = {
      kind: 'use',
      requestsPerSecond: scaled(REQUESTS_PER_SECOND, options),
      readShare: READ_SHARE,
    } as const
    const before = bytesWritten(server.pid)
    const created = await load.run({ kind: 'create' })
    figures.add('create', created.seconds)
    figures.add('disk full', bytesOnDisk(directory) / MB)
    progress('all in use')
    // Not long enough for any to expire that is not touched.
    const used = await load.run({
      ...use,
      inUse: count,
      seconds: USE_SECONDS - created.seconds - SPARE_SECONDS,
    })
    progress('most expire')
    const beforeExpiry = bytesWritten(server.pid)
    const expiring = await load.run({
      ...use,
      inUse: count * STAY_SHARE,
      seconds: TTL_SECONDS + AFTER_SECONDS,
    })
    await server.settle()
    await sleep(SPARE_SECONDS * 1000)
    const atEnd = bytesWritten(server.pid)
    figures.add('disk after', bytesOnDisk(directory) / MB)
    const valueBytes = created.valueBytes + used.valueBytes + expiring.valueBytes
    figures.add('amplification', (atEnd - before) / valueBytes)
    figures.add('amplification expiry', (atEnd - beforeExpiry) / expiring.valueBytes)
    addPhase(figures, 'use', used)
    addPhase(figures, 'expiry', expiring)
    await addStorage(figures, server)
  } finally {
    load.kill()
  }
}

function addPhase(figures: Figures, name: string, phase: SessionFigures): void {
  figures.add(`read p99 ${name}`, phase.readP99Ms)
  figures.add(`touch p99 ${name}`, phase.touchP99Ms)
  figures.add(`errors ${name}`, phase.errors)
  figures.add(`missing ${name}`, phase.missing)
  figures.add(`late ${name}`, phase.lateP99Ms)
}

/** What only Kindred tells; -1 where a server does not. */
const STORAGE_FIELDS = [
  'storage_flushed_bytes',
  'storage_compaction_written_bytes',
  'storage_windows_dropped',
  'storage_window_bytes_dropped',
  'storage_local_tombstones',
  'storage_filter_probes_per_get',
] as const

async function addStorage(figures: Figures, server: ServerProcess): Promise<void> {
  const info = await server.info()
  for (const name of STORAGE_FIELDS) figures.add(name, Number(info.get(name) ?? -1))
}

function notesOf(options: BenchmarkOptions, missing: string | null, all: readonly Figures[]): string[] {
  const last = (figures: Figures, name: string): string => (figures.of(name).at(-1) ?? 0).toFixed(1)
  const lines = all.map((figures, i) => {
    const phases = ['use', 'expiry'].map((phase) => {
      const parts = ['errors', 'missing', 'late'].map(
        (what) => `${what} ${last(figures, `${what} ${phase}`)}`,
      )
      return `${phase}: ${parts.join(', ')}`
    })
    const told = STORAGE_FIELDS.filter((name) => Number(last(figures, name)) >= 0)
    return `${SUBJECTS[i].name}: ${phases.join('; ')}; ${told.map((name) => `${name} ${last(figures, name)}`).join(', ')}`
  })
  return [
    `${scaled(SESSIONS, options)} sessions of ${VALUE_BYTES} B, SET EX ${TTL_SECONDS}, then ${scaled(REQUESTS_PER_SECOND, options)} requests a second, ` +
      `${GROUP} at a time on ${CONNECTIONS} connections, ${READ_SHARE * 100} % GET, the others EXPIRE; then the same on a tenth of the sessions while the others expire; everysec`,
    `time is scaled by 30: sessions live ${TTL_SECONDS} s, windows are 10 s wide (${WINDOW_TIERS})`,
    `Kindred with ${SETTINGS.join(' ')}; ${missing ?? `each server is held to ${MEMORY_MB} MB of memory, page cache included`}`,
    'bytes written are those handed to write(2) by all threads; latencies count from when a group was due',
    ...lines,
  ]
}

/**
 * What clients feel while a compaction of 2 GB runs: p99 of paced GETs and SETs at rest, then during it, beside Redis and its
 * rewrite of the AOF. Each server is pinned to one core, the load to the other, so that its background work has to share with its
 * own event loop and with nobody else.
 */
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { generate } from './load/generator.js'
import { COMMON_LOAD } from './load/open-loop.js'
import type { OpenLoopResult } from './load/open-loop.js'
import { figureAtMost, rowsBeside } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import { cpuSeconds } from './measure/process-facts.js'
import { MB } from './measure/units.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import { RespClient } from './servers/resp-client.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'

const KEYS = 2_000_000
const VALUE_BYTES = 1000
const REQUESTS_PER_SECOND = 10_000
const GROUP = 16
const SECONDS = 20
/** Until the code is compiled and what the fill left is done. */
const WARM_UP_SECONDS = 20
const RATIO_MAX = 2
const SERVER_CORE = '0'
const LOAD_CORE = '1'
const SETTINGS = ['--block-cache-size', '1gb']
const BEGIN_LIMIT_MS = 10_000
const POLL_MS = 20

interface Subject {
  readonly name: string
  readonly command: readonly string[]
  /** The field of INFO that is 1 while it runs. */
  readonly running: string
  /** Fields of INFO that together are the bytes it has read and written; none where the server does not say. */
  readonly bytes: readonly string[]
  start(directory: string): Promise<ServerProcess>
}

const SUBJECTS: readonly Subject[] = [
  {
    name: 'Kindred',
    command: ['KV.COMPACT', 'ALL'],
    running: 'storage_compacting',
    bytes: ['storage_compaction_read_bytes', 'storage_compaction_written_bytes'],
    start: (directory) => startKindred(directory, 'everysec', ...SETTINGS),
  },
  {
    name: 'Redis',
    command: ['BGREWRITEAOF'],
    running: 'aof_rewrite_in_progress',
    bytes: [],
    start: (directory) => startRedis(directory, 'everysec', '--auto-aof-rewrite-percentage', '0'),
  },
]

export const compaction: Benchmark = {
  name: 'compaction',
  summary:
    'p99 of GET and SET while a compaction of 2 GB runs, against p99 at rest; Redis rewrites its AOF beside it',
  minutes: 5,
  turns: 1,
  async run(options) {
    const errors = new ErrorLog()
    const contenders = SUBJECTS.map((subject) => contenderOf(subject, options, errors))
    const [kindred, redis] = await takeTurns(options.turns, contenders)
    const row = rowsBeside(kindred, 'Redis', redis)
    return {
      rows: [
        row('GET p99 at rest', 'ms', 'read at rest'),
        row('GET p99 meanwhile', 'ms', 'read meanwhile'),
        row('the ratio of the two', '', 'read ratio', figureAtMost(RATIO_MAX)),
        row('SET p99 at rest', 'ms', 'write at rest'),
        row('SET p99 meanwhile', 'ms', 'write meanwhile'),
        row('the ratio of the two', '', 'write ratio', figureAtMost(RATIO_MAX)),
        row('read and written by it', 'MB/s', 'rate'),
        row('CPU of the server at rest', 'cores', 'cpu at rest'),
        row('CPU of the server meanwhile', 'cores', 'cpu meanwhile'),
        row('share of the measured time that it ran', '', 'share'),
      ],
      notes: [
        `${scaled(KEYS, options)} keys of 16 + ${VALUE_BYTES} B; ${REQUESTS_PER_SECOND} requests a second, ${GROUP} at a time, half of the groups SET, everysec; ` +
          `${SECONDS} s at rest, ${SECONDS} s from the command on; servers pinned to core ${SERVER_CORE}, the load to core ${LOAD_CORE}`,
        `Kindred with ${SETTINGS.join(' ')}: ${SUBJECTS.map(({ command }) => command.join(' ')).join('; Redis: ')}`,
        ...errors.notes(),
      ],
    }
  },
}

function contenderOf(subject: Subject, options: BenchmarkOptions, errors: ErrorLog): Contender {
  return {
    name: subject.name,
    async turn(figures) {
      const directory = temporaryFolder(options.directory, 'compaction')
      const server = await subject.start(directory)
      const keys = scaled(KEYS, options)
      progress(`${subject.name}: storing ${keys} keys`)
      await fill(server.port, keys, VALUE_BYTES)
      await server.settle()
      pin(server.pid, SERVER_CORE)
      pin(process.pid, LOAD_CORE)
      try {
        progress(`${subject.name}: at rest`)
        const atRest = await measure(server, keys, 'at rest', figures, () => Promise.resolve())
        progress(`${subject.name}: meanwhile`)
        const meanwhile = await measure(server, keys, 'meanwhile', figures, () =>
          begin(server, subject, figures),
        )
        figures.add('read ratio', meanwhile.read.p99Ms / atRest.read.p99Ms)
        figures.add('write ratio', meanwhile.write.p99Ms / atRest.write.p99Ms)
        errors.add(`${subject.name}, at rest`, atRest.errors)
        errors.add(`${subject.name}, meanwhile`, meanwhile.errors)
      } finally {
        await server.stop()
        removeFolder(directory)
      }
    },
  }
}

/** All threads that there are; what is started by them inherits it. */
function pin(pid: number, core: string): void {
  execFileSync('taskset', ['-acp', core, String(pid)], { stdio: 'ignore' })
}

async function measure(
  server: ServerProcess,
  keys: number,
  phase: string,
  figures: Figures,
  begins: () => Promise<void>,
): Promise<OpenLoopResult> {
  let cpuFrom = 0
  let background: Promise<void> = Promise.resolve()
  const load = {
    ...COMMON_LOAD,
    ports: [server.port],
    groupSize: GROUP,
    requestsPerSecond: REQUESTS_PER_SECOND,
    warmUpSeconds: WARM_UP_SECONDS,
    seconds: SECONDS,
    writeShare: 0.5,
    keys,
    valueBytes: VALUE_BYTES,
  }
  const result = await generate(load, () => {
    cpuFrom = cpuSeconds(server.pid).all
    background = begins()
  })
  figures.add(`cpu ${phase}`, (cpuSeconds(server.pid).all - cpuFrom) / SECONDS)
  await background
  figures.add(`read ${phase}`, result.read.p99Ms)
  figures.add(`write ${phase}`, result.write.p99Ms)
  return result
}

/** Begins the background work, and follows it while the load is measured. */
async function begin(server: ServerProcess, subject: Subject, figures: Figures): Promise<void> {
  const client = await RespClient.connect(server.port)
  try {
    const bytesOf = (info: ReadonlyMap<string, string>): number =>
      subject.bytes.reduce((sum, name) => sum + Number(info.get(name) ?? 0), 0)
    const before = bytesOf(await client.info())
    const reply = await client.call(...subject.command)
    if (reply instanceof Error) throw reply
    const began = performance.now()
    const isRunning = async (): Promise<boolean> => (await client.info()).get(subject.running) === '1'
    while (!(await isRunning()) && performance.now() - began < BEGIN_LIMIT_MS) await sleep(POLL_MS)
    while ((await isRunning()) && performance.now() - began < SECONDS * 1000) await sleep(POLL_MS * 10)
    const seconds = (performance.now() - began) / 1000
    figures.add('share', seconds / SECONDS)
    if (subject.bytes.length > 0) figures.add('rate', (bytesOf(await client.info()) - before) / MB / seconds)
  } finally {
    client.close()
  }
}

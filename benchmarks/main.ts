/** `npm run bench -- NAME… [options]`: runs benchmarks one after the other, or lists them. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { textTable } from '../src/cli/text-table.js'
import { antiEntropy } from './anti-entropy.js'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { beyondMemory } from './beyond-memory.js'
import { beyondMemtable } from './beyond-memtable.js'
import { compaction } from './compaction.js'
import { engine } from './engine.js'
import { failover } from './failover.js'
import { gossip } from './gossip.js'
import { latency } from './latency.js'
import { link } from './link.js'
import { massInsertion } from './mass-insertion.js'
import { machineFacts } from './measure/machine.js'
import { progress } from './measure/turns.js'
import { printReport } from './measure/report.js'
import { prototypes } from './prototypes.js'
import { quorumLatency } from './quorum-latency.js'
import { quorumPause } from './quorum-pause.js'
import { quorumReads } from './quorum-reads.js'
import { quorum } from './quorum.js'
import { recovery } from './recovery.js'
import { redisBenchmarks } from './redis-benchmark.js'
import { ring } from './ring.js'
import { sessions } from './sessions.js'
import { cleanUpAtExit } from './servers/cleanup.js'
import { snapshot } from './snapshot.js'

const BENCHMARKS: readonly Benchmark[] = [
  redisBenchmarks,
  latency,
  beyondMemtable,
  beyondMemory,
  engine,
  recovery,
  link,
  prototypes,
  ring,
  gossip,
  quorum,
  quorumReads,
  quorumLatency,
  quorumPause,
  failover,
  antiEntropy,
  sessions,
  massInsertion,
  compaction,
  snapshot,
]
const TURNS = 5
const QUICK_TURNS = 2
/** Beside the checkout, where its owners keep them. */
const PROTOTYPES = fileURLToPath(new URL('../../../shared/prototypes', import.meta.url))

const USAGE = `npm run bench -- NAME... [options]        NAME: one of these, or all

OPTIONS

  --quick            fewer turns and a tenth of the requests: to try out, not to publish
  --turns N          turns of each contender, A B A B ... (${TURNS}; with --quick ${QUICK_TURNS})
  --dir DIR          where data is put, on the disk to be measured (the system's folder for temporary files)
  --prototypes DIR   folder with memory.js, durable.js, table.js, quorum.js and quorum-home.js (../shared/prototypes when it exists)
  --rate N           failover: requests a second
  --absence SECONDS  failover: how long the node is away
  --fill MB          failover: what is stored before a node is wiped
  --keys N           anti-entropy: keys that are compared; beyond-memory: keys of 1 KB
  --only STORY,...   failover: some of its stories alone
`

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      turns: { type: 'string' },
      dir: { type: 'string', default: tmpdir() },
      prototypes: { type: 'string', default: process.env['KINDRED_PROTOTYPES'] ?? PROTOTYPES },
      rate: { type: 'string' },
      absence: { type: 'string' },
      fill: { type: 'string' },
      keys: { type: 'string' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  })
  const chosen = BENCHMARKS.filter(({ name }) => positionals.includes(name) || positionals.includes('all'))
  const unknown = positionals.filter((name) => name !== 'all' && !BENCHMARKS.some((one) => one.name === name))
  const numbers = [values.turns, values.rate, values.absence, values.fill, values.keys].map(wholeNumber)
  const [turns, rate, absence, fill, keys] = numbers
  const numbersAreWrong = numbers.some(Number.isNaN)
  if (values.help || chosen.length === 0 || unknown.length > 0 || numbersAreWrong) {
    if (unknown.length > 0) console.error(`There is no benchmark "${unknown.join('", "')}".\n`)
    console.log(usage())
    return values.help || positionals.length === 0 ? 0 : 2
  }
  const options: Omit<BenchmarkOptions, 'turns'> = {
    quick: values.quick,
    directory: values.dir,
    prototypes: existsSync(values.prototypes) ? values.prototypes : null,
    keys,
    requestsPerSecond: rate,
    absenceSeconds: absence,
    fillMb: fill,
    only: values.only.split(',').filter((name) => name !== ''),
  }
  const usual = values.quick ? QUICK_TURNS : TURNS
  for (const benchmark of chosen) {
    await runOne(benchmark, { ...options, turns: turns ?? benchmark.turns ?? usual })
  }
  return 0
}

/** Null for none, NaN for what is no number from 1 on. */
function wholeNumber(text: string | undefined): number | null {
  if (text === undefined) return null
  const number = Number(text)
  return Number.isInteger(number) && number >= 1 ? number : NaN
}

async function runOne(benchmark: Benchmark, options: BenchmarkOptions): Promise<void> {
  const facts = machineFacts(options.directory)
  const began = performance.now()
  progress(
    `${benchmark.name}: about ${options.quick ? 'a tenth to a third of ' : ''}${benchmark.minutes} minutes`,
  )
  const report = await benchmark.run(options)
  const minutes = ((performance.now() - began) / 60_000).toFixed(1)
  const quick = options.quick ? ' --quick' : ''
  const command = `npm run bench -- ${benchmark.name}${quick}`
  const method =
    options.turns === 1
      ? 'one turn'
      : `medians of ${options.turns} turns taken by turns (lowest to highest); a ratio is the median of the turns' ratios`
  printReport(benchmark.name, command, [`${method}; took ${minutes} minutes`, ...facts], report)
}

function usage(): string {
  const rows = BENCHMARKS.map(({ name, minutes, summary }) => [`  ${name}`, `${minutes} min`, summary])
  return `${textTable(['  NAME', 'about', 'what'], rows).join('\n')}\n\n${USAGE}`
}

cleanUpAtExit()
try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  progress('')
  console.error(error instanceof Error ? (error.stack ?? error.message) : error)
  process.exit(1)
}

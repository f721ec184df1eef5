/** `kindred repair`: lists what is damaged in the directory of a stopped node, and gives up what its owner names. */
import { parseArgs } from 'node:util'
import { lockDirectory } from '../env/directory-lock.js'
import { NodeClock } from '../env/node-clock.js'
import { NodeDisk } from '../env/node-disk.js'
import { NodeLog } from '../env/node-log.js'
import { NodeRandom } from '../env/node-random.js'
import { loadConfig } from '../node/config.js'
import { loadMembers } from '../node/member-list-file.js'
import { storeOptions } from '../node/storage-settings.js'
import { slotOfToken } from '../ring/token.js'
import { discardDamage } from '../storage/discard-damage.js'
import { MANIFEST_NAME, pathOf } from '../storage/file-names.js'
import type { Gap } from '../storage/gap.js'
import { findDamage } from '../storage/open-store.js'
import { QUARANTINE_NAME } from '../storage/quarantine.js'
import type { Finding } from '../storage/start-damage.js'
import type { StoreOptions } from '../storage/store-options.js'
import { assert } from '../util/assert.js'
import { printHelp } from './help.js'
import type { Output } from './output.js'

const OPTIONS = {
  apply: { type: 'boolean', default: false },
  discard: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h', default: false },
} as const
const STANDARD_ERROR = 2

export async function repairCommand(args: readonly string[], output: Output): Promise<number> {
  const parsed = parse(args)
  if (typeof parsed === 'string') {
    output.error(`kindred: ${parsed}`)
    output.error('"kindred help repair" lists the options.')
    return 1
  }
  if (parsed.help) return printHelp('repair', output)
  try {
    return await repairDirectory(parsed, output)
  } catch (error) {
    output.error(`kindred: ${(error as Error).message}`)
    return 1
  }
}

interface RepairOptions {
  readonly directory: string
  readonly apply: boolean
  /** Names of files. */
  readonly discard: ReadonlySet<string>
  readonly help: boolean
}

/** The options, or what is wrong with them. */
function parse(args: readonly string[]): RepairOptions | string {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    const { apply, help } = values
    const discard = new Set(values.discard)
    if (!help && positionals.length !== 1) return 'repair needs the path of one data directory'
    if (apply && discard.size === 0) return '--apply: name with --discard what is to be given up'
    return { directory: positionals[0] ?? '', apply, discard, help }
  } catch (error) {
    return (error as Error).message
  }
}

async function repairDirectory(options: RepairOptions, output: Output): Promise<number> {
  const { directory, apply, discard } = options
  const disk = new NodeDisk()
  if (!disk.exists(pathOf(directory, MANIFEST_NAME))) {
    output.error(`kindred: ${directory}: not a data directory, it has no ${MANIFEST_NAME}`)
    return 1
  }
  const unlock = await lockDirectory(directory)
  try {
    const findings = findDamage({ disk, log: new NodeLog('silent') }, settingsFor(directory))
    for (const line of findings.flatMap(describe)) output.out(line)
    const unknown = [...discard].filter((name) => !findings.some((finding) => finding.name === name))
    if (unknown.length > 0) {
      output.error(`kindred: not damaged, so not to be given up: ${unknown.join(', ')}`)
      return 1
    }
    if (!apply) return report(directory, findings, output)
    const { members = [], replicas = 1 } = loadMembers(disk, directory) ?? {}
    if (Math.min(members.length, replicas) > 1) {
      output.error(`kindred: ${OTHERS_HAVE_IT}`)
      return 1
    }
    const log = new NodeLog('warn', STANDARD_ERROR)
    const env = { disk, log, clock: new NodeClock(true), random: new NodeRandom() }
    const gaps = await discardDamage(env, settingsFor(directory), discard)
    return done(directory, gaps, output)
  } finally {
    unlock()
  }
}

/** The defaults: nothing that a node's own settings may change matters here. */
function settingsFor(directory: string): StoreOptions {
  const settings = [{ path: 'dir', value: directory, where: 'command line' }]
  const loaded = loadConfig([settings], { workDirectory: process.cwd(), configFile: '' })
  assert(loaded.kind === 'config', 'the default settings are allowed')
  return storeOptions(loaded.config, null)
}

function describe({ name, error, minToken, maxToken, entriesMax }: Finding): string[] {
  const what = error.file.endsWith(name)
    ? `byte ${error.offset}: ${error.what}`
    : `${error.file}: ${error.what}`
  return [`${name}: ${what}`, `  what is lost: ${slots(minToken, maxToken)}, ${entries(name, entriesMax)}`]
}

function slots(minToken: number, maxToken: number): string {
  const [first, last] = [slotOfToken(minToken), slotOfToken(maxToken)]
  return first === last ? `keys of slot ${first}` : `keys of the slots ${first} to ${last}`
}

function entries(name: string, entriesMax: number): string {
  if (name.endsWith('.log')) return 'everything from there on that no table holds yet'
  return `at most ${entriesMax} entries`
}

/** Says what could be done; answers the exit code: 0 when nothing is damaged. */
function report(directory: string, findings: readonly Finding[], output: Output): number {
  if (findings.length === 0) {
    output.out('Nothing here is damaged.')
    return 0
  }
  const flags = [...new Set(findings.map(({ name }) => `--discard ${name}`))].join(' ')
  output.out('Nothing was changed. If there is no backup, and no other node has the data, this gives it up:')
  output.out(`  kindred repair ${directory} ${flags} --apply`)
  return 1
}

function done(directory: string, gaps: readonly Gap[], output: Output): number {
  for (const { file, minToken, maxToken } of gaps) {
    output.out(`${file}: what was damaged is given up, ${slots(minToken, maxToken)}`)
  }
  output.out(`The damaged files are in ${pathOf(directory, QUARANTINE_NAME)}.`)
  return 0
}

const OTHERS_HAVE_IT =
  'nothing was changed: this directory is one of several copies. Start the node: it takes what is damaged out of service by ' +
  'itself, and gets it from the others.'

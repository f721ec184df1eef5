/** `kindred restamp`: lists the keys of a stopped node that hold stamps from the future, and gives them new ones (RULES C2). */
import { parseArgs } from 'node:util'
import { restamp } from '../coordinator/restamp.js'
import type { RestampResult } from '../coordinator/restamp.js'
import { lockDirectory } from '../env/directory-lock.js'
import { NodeClock } from '../env/node-clock.js'
import { NodeDisk } from '../env/node-disk.js'
import { NodeLog } from '../env/node-log.js'
import { NodeRandom } from '../env/node-random.js'
import { loadConfig } from '../node/config.js'
import { storeOptions } from '../node/storage-settings.js'
import { keyText } from '../storage/describe-entry.js'
import { MANIFEST_NAME, pathOf } from '../storage/file-names.js'
import type { StoreOptions } from '../storage/store-options.js'
import { assert } from '../util/assert.js'
import { printHelp } from './help.js'
import type { Output } from './output.js'

const OPTIONS = {
  apply: { type: 'boolean', default: false },
  'limit-ms': { type: 'string', default: '1000' },
  help: { type: 'boolean', short: 'h', default: false },
} as const
const STANDARD_ERROR = 2

export async function restampCommand(args: readonly string[], output: Output): Promise<number> {
  const parsed = parse(args)
  if (typeof parsed === 'string') {
    output.error(`kindred: ${parsed}`)
    output.error('"kindred help restamp" lists the options.')
    return 1
  }
  if (parsed.help) return printHelp('restamp', output)
  try {
    return await restampDirectory(parsed, output)
  } catch (error) {
    output.error(`kindred: ${(error as Error).message}`)
    return 1
  }
}

interface RestampOptions {
  readonly directory: string
  readonly apply: boolean
  readonly limitMs: number
  readonly help: boolean
}

/** The options, or what is wrong with them. */
function parse(args: readonly string[]): RestampOptions | string {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    const { apply, help } = values
    if (!help && positionals.length !== 1) return 'restamp needs the path of one data directory'
    const limitMs = Number(values['limit-ms'])
    if (!/^\d+$/.test(values['limit-ms']) || !Number.isSafeInteger(limitMs) || limitMs === 0) {
      return `--limit-ms: ${JSON.stringify(values['limit-ms'])}, allowed: milliseconds, from 1`
    }
    return { directory: positionals[0] ?? '', apply, limitMs, help }
  } catch (error) {
    return (error as Error).message
  }
}

async function restampDirectory(options: RestampOptions, output: Output): Promise<number> {
  const { directory, apply, limitMs } = options
  const disk = new NodeDisk()
  if (!disk.exists(pathOf(directory, MANIFEST_NAME))) {
    output.error(`kindred: ${directory}: not a data directory, it has no ${MANIFEST_NAME}`)
    return 1
  }
  const unlock = await lockDirectory(directory)
  try {
    const log = new NodeLog('warn', STANDARD_ERROR)
    const env = { disk, log, clock: new NodeClock(true), random: new NodeRandom() }
    const result = await restamp(env, settingsFor(directory), {
      limitMs,
      apply,
      onKey: (key, aheadMs) => output.out(`${keyText(key, 0, key.length)} ${aheadMs} ms ahead`),
    })
    return report(result, apply, output)
  } finally {
    unlock()
  }
}

/** The defaults: nothing that a node's own settings may change matters for one pass over its data. */
function settingsFor(directory: string): StoreOptions {
  const settings = [{ path: 'dir', value: directory, where: 'command line' }]
  const loaded = loadConfig([settings], { workDirectory: process.cwd(), configFile: '' })
  assert(loaded.kind === 'config', 'the default settings are allowed')
  return storeOptions(loaded.config, null)
}

/** Says what was found and done; answers the exit code. */
function report(result: RestampResult, apply: boolean, output: Output): number {
  const { keys, aheadMs, flushMarkAheadMs } = result
  if (flushMarkAheadMs > 0) {
    output.error(`kindred: the mark of the last FLUSHALL lies ${flushMarkAheadMs} ms ahead. ${FLUSH_MARK}`)
    return 1
  }
  const found = keys === 1 ? '1 key' : `${keys} keys`
  if (aheadMs === 0) output.out('Nothing here has a stamp from the future.')
  else if (apply) output.out(`${found} restamped, and old versions with stamps from the future removed.`)
  else if (keys > 0) output.out(`${found} with stamps from the future. Nothing was changed: see --apply.`)
  else output.out(`Only old versions have stamps from the future, up to ${aheadMs} ms ahead: see --apply.`)
  return 0
}

const FLUSH_MARK = `Nothing was changed.
The mark hides every record with a stamp at or below its own, so whatever got a stamp of now would be gone; and it cannot be
taken back, since which of the older records were flushed and which were written later is no longer known. Wait until the clock has
passed the mark; or, if other nodes hold the data, let this one start with an empty directory.`

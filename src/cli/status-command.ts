/**
 * `kindred status`: asks a node for INFO and KV.STATUS and shows the lines that matter, or everything as JSON. A node that answers
 * but asks for a password is up; a health check should not need the password to know that.
 */
import { parseArgs } from 'node:util'
import type { Reply } from '../resp/reply-parser.js'
import { addressText, clusterTable, parseClusterStatus, repairText } from './cluster-status.js'
import type { ClusterStatus } from './cluster-status.js'
import type { Output } from './output.js'
import { ask } from './resp-client.js'
import type { Address } from './resp-client.js'
import { printHelp } from './help.js'
import { textTable } from './text-table.js'

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '7001' },
  timeout: { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export async function statusCommand(args: readonly string[], output: Output): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'string') {
    output.error(`kindred: ${options}`)
    output.error('"kindred help status" lists the options.')
    return 1
  }
  if (options.help) return printHelp('status', output)
  const { address, json } = options
  try {
    const answer = await askForStatus(address, options.timeoutMs)
    for (const line of json ? [JSON.stringify(answer, null, 2)] : statusTable(answer)) output.out(line)
    return 0
  } catch (error) {
    const message = describeFailure(error)
    if (json)
      output.out(JSON.stringify({ address: addressText(address), state: 'down', error: message }, null, 2))
    else output.error(`kindred: no node answers at ${addressText(address)}: ${message}`)
    return 1
  }
}

export interface NodeStatus {
  readonly address: string
  readonly state: 'up' | 'up, asks for a password'
  /** Section, then field, as INFO has them. */
  readonly info: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** What KV.STATUS says; null for a single node. */
  readonly cluster: ClusterStatus | null
}

interface StatusOptions {
  readonly address: Address
  readonly timeoutMs: number
  readonly json: boolean
  readonly help: boolean
}

function parseOptions(args: readonly string[]): StatusOptions | string {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const port = Number(values.port)
    const timeoutSeconds = Number(values.timeout)
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      return `--port: ${JSON.stringify(values.port)}, allowed: an integer from 1 to 65535`
    }
    if (!(timeoutSeconds > 0 && timeoutSeconds <= 3600)) {
      return `--timeout: ${JSON.stringify(values.timeout)}, allowed: seconds above 0, up to 3600`
    }
    const { host, json, help } = values
    return { address: { host, port }, timeoutMs: timeoutSeconds * 1000, json, help }
  } catch (error) {
    return (error as Error).message
  }
}

async function askForStatus(address: Address, timeoutMs: number): Promise<NodeStatus> {
  const password = process.env.REDISCLI_AUTH
  const login = password === undefined || password === '' ? [] : [['AUTH', password]]
  const [info, cluster] = (await ask(address, [...login, ['INFO'], ['KV.STATUS']], timeoutMs)).slice(-2)
  if (info instanceof Error) {
    if (!info.message.startsWith('NOAUTH')) throw info
    return { address: addressText(address), state: 'up, asks for a password', info: {}, cluster: null }
  }
  return {
    address: addressText(address),
    state: 'up',
    info: parseInfo(info),
    cluster: parseClusterStatus(cluster),
  }
}

/** INFO's `# Section` and `field:value` lines. */
function parseInfo(reply: Reply | undefined): NodeStatus['info'] {
  if (!Buffer.isBuffer(reply))
    throw new Error('the answer to INFO is not text; is this a Redis-protocol server?')
  const sections: Record<string, Record<string, string>> = {}
  let section: Record<string, string> = {}
  for (const line of reply.toString('utf8').split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (line.startsWith('# ')) section = sections[line.slice(2).toLowerCase()] = {}
    else if (colon > 0) section[line.slice(0, colon)] = line.slice(colon + 1)
  }
  return sections
}

/** What the table shows: its label and where INFO has it. A field that the node does not report is left out. */
const SHOWN: readonly (readonly [label: string, section: string, field: string, unit: string])[] = [
  ['version', 'server', 'kindred_version', ''],
  ['process', 'server', 'process_id', ''],
  ['up for', 'server', 'uptime_in_seconds', ' s'],
  ['clients', 'clients', 'connected_clients', ''],
  ['commands', 'stats', 'total_commands_processed', ''],
  ['commands a second', 'stats', 'instantaneous_ops_per_sec', ''],
  ['memory', 'memory', 'used_memory_rss_human', ''],
  ['last write to the log', 'persistence', 'aof_last_write_status', ''],
  ['why it failed', 'storage', 'storage_log_failure', ''],
  ['damaged places found', 'storage', 'storage_damage_found', ''],
  ['last damage', 'storage', 'storage_last_damage', ''],
  ['files in quarantine', 'storage', 'storage_quarantined_files', ''],
  ['damage not yet repaired', 'storage', 'storage_gaps', ' gaps'],
  ['scrub', 'storage', 'storage_scrub', ''],
  ['write amplification', 'storage', 'storage_write_amplification', ''],
  ['compaction', 'storage', 'storage_compaction_running', ''],
  ['compaction asked for', 'storage', 'storage_compaction_wanted', ''],
  ['delays of writes', 'storage', 'storage_write_delays', ''],
  ['writes waited for room', 'storage', 'storage_write_waited_ms', ' ms'],
]

function statusTable(status: NodeStatus): string[] {
  const rows = [['state', status.state]]
  for (const [label, section, field, unit] of SHOWN) {
    const value = status.info[section]?.[field]
    if (value !== undefined && value !== '') rows.push([label, value + unit])
  }
  if (status.state !== 'up') return textTable(['node', status.address], rows)
  rows.push(['keys', keysText(status.info.keyspace?.db0)])
  const { cluster } = status
  if (cluster === null) rows.push(['cluster', 'none: it is a single node'])
  else if (cluster.repair !== null && cluster.repair !== undefined)
    rows.push(['repair', repairText(cluster.repair)])
  const table = textTable(['node', status.address], rows)
  return cluster === null ? table : [...table, '', ...clusterTable(cluster)]
}

/** INFO has no line for an empty database. */
function keysText(database = 'keys=0,expires=0'): string {
  const [, keys, expiring] = /keys=(\d+),expires=(\d+)/.exec(database) ?? []
  return keys === undefined ? database : `${keys}, of which ${expiring} expire`
}

/** Node reports a refused connection to a name of several addresses as an error without a message. */
function describeFailure(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message === '' ? (code ?? String(error)) : message
}

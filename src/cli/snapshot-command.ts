/** `kindred snapshot`: has a running node, or every node of its cluster, take a snapshot; or checks one that was taken. */
import { parseArgs } from 'node:util'
import { NodeDisk } from '../env/node-disk.js'
import type { Reply } from '../resp/reply-parser.js'
import { snapshotBytes } from '../storage/snapshot/snapshot-file.js'
import { snapshotNameAt } from '../storage/snapshot/snapshot-folder.js'
import { verifySnapshot } from '../storage/snapshot/verify-snapshot.js'
import { addressText, parseClusterStatus } from './cluster-status.js'
import { printHelp } from './help.js'
import type { Output } from './output.js'
import { ask } from './resp-client.js'
import type { Address } from './resp-client.js'

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '7001' },
  timeout: { type: 'string', default: '3600' },
  name: { type: 'string' },
  wait: { type: 'boolean', default: false },
  cluster: { type: 'boolean', default: false },
  verify: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h', default: false },
} as const

interface SnapshotOptions {
  readonly address: Address
  readonly timeoutMs: number
  readonly name: string | undefined
  readonly wait: boolean
  readonly cluster: boolean
  readonly verify: readonly string[]
  readonly help: boolean
}

export async function snapshotCommand(args: readonly string[], output: Output): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'string') {
    output.error(`kindred: ${options}`)
    output.error('"kindred help snapshot" lists the options.')
    return 1
  }
  if (options.help) return printHelp('snapshot', output)
  try {
    if (options.verify.length > 0) return verifyAll(options.verify, output)
    return await (options.cluster ? snapshotCluster(options, output) : snapshotNode(options, output))
  } catch (error) {
    output.error(`kindred: ${messageOf(error)}`)
    return 1
  }
}

function parseOptions(args: readonly string[]): SnapshotOptions | string {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const { host, name, wait, cluster, verify = [], help } = values
    const port = Number(values.port)
    const timeoutSeconds = Number(values.timeout)
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      return `--port: ${JSON.stringify(values.port)}, allowed: an integer from 1 to 65535`
    if (!(timeoutSeconds > 0 && timeoutSeconds <= 86_400))
      return `--timeout: ${JSON.stringify(values.timeout)}, allowed: seconds above 0, up to 86400`
    return { address: { host, port }, timeoutMs: timeoutSeconds * 1000, name, wait, cluster, verify, help }
  } catch (error) {
    return messageOf(error)
  }
}

/** False where anything is wrong with one of them. */
function verifyAll(directories: readonly string[], output: Output): number {
  let bad = 0
  for (const directory of directories) {
    const { facts, problems } = verifySnapshot(new NodeDisk(), directory)
    for (const { file, what } of problems) output.error(`kindred: ${file}: ${what}`)
    if (problems.length > 0) bad++
    else {
      const { files, madeAtMs, gaps } = facts
      const unknown = gaps === 0 ? '' : `; ${gaps} places were unknown to the node because of damage`
      const made = new Date(madeAtMs).toISOString()
      output.out(
        `${directory}: sound, ${files.length} files, ${snapshotBytes(facts)} bytes, made ${made}${unknown}`,
      )
    }
  }
  return bad === 0 ? 0 : 1
}

async function snapshotNode(
  { address, name, wait, timeoutMs }: SnapshotOptions,
  output: Output,
): Promise<number> {
  const isAwaited = wait || name !== undefined
  const command = isAwaited ? ['KV.SNAPSHOT', 'TAKE', ...(name === undefined ? [] : [name])] : ['BGSAVE']
  const reply = await askOne(address, command, timeoutMs)
  output.out(isAwaited ? `snapshot made: ${reply}` : reply)
  return 0
}

/**
 * In two halves: when all have written down what they hold for others, all take their tables. So what one hands over to another in
 * between is in the tables of that one.
 */
async function snapshotCluster(options: SnapshotOptions, output: Output): Promise<number> {
  const { address, timeoutMs } = options
  const name = options.name ?? snapshotNameAt(Date.now())
  const cluster = parseClusterStatus(await askReply(address, ['KV.STATUS'], timeoutMs))
  if (cluster === null) throw new Error(`${addressText(address)} is in no cluster: leave out --cluster`)
  const nodes = cluster.members.map((member) => {
    return { name: member.name, address: { host: member.address, port: member.port } }
  })
  const failures = new Map<string, string>()
  const onAll = async (
    command: readonly string[],
    done: (node: string, reply: string) => void,
  ): Promise<void> => {
    const asked = nodes.filter((node) => !failures.has(node.name))
    await Promise.all(
      asked.map(async (node) => {
        try {
          done(node.name, await askOne(node.address, command, timeoutMs))
        } catch (error) {
          failures.set(node.name, messageOf(error))
        }
      }),
    )
  }
  await onAll(['KV.SNAPSHOT', 'PREPARE', name], () => {})
  await onAll(['KV.SNAPSHOT', 'TAKE', name], (node, path) => output.out(`${node}: ${path}`))
  for (const [node, failure] of failures) output.error(`kindred: ${node}: no snapshot: ${failure}`)
  output.out(`${nodes.length - failures.size} of ${nodes.length} nodes have a snapshot ${name}`)
  return failures.size === 0 ? 0 : 1
}

/** The reply as text. Rejects with what the node refuses it with. */
async function askOne(address: Address, command: readonly string[], timeoutMs: number): Promise<string> {
  const reply = await askReply(address, command, timeoutMs)
  if (reply instanceof Error) throw reply
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply)
}

async function askReply(
  address: Address,
  command: readonly string[],
  timeoutMs: number,
): Promise<Reply | undefined> {
  return (await ask(address, [...loginCommands(), command], timeoutMs)).at(-1)
}

/** The password comes from the environment, as redis-cli takes it. */
export function loginCommands(): string[][] {
  const password = process.env.REDISCLI_AUTH
  return password === undefined || password === '' ? [] : [['AUTH', password]]
}

function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message === '' ? (code ?? String(error)) : message
}

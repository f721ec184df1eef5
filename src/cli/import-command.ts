/**
 * `kindred import`: the string keys of a Redis dump into a running node or cluster, through a plain port as any client would
 * write them. What cannot come along is counted and said.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { NodeClock } from '../env/node-clock.js'
import { RdbReader } from '../rdb/rdb-reader.js'
import { addressText } from './cluster-status.js'
import { printHelp } from './help.js'
import { ImportReport } from './import-report.js'
import { MassInsert } from './mass-insert.js'
import type { Output } from './output.js'
import type { Address } from './resp-client.js'

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '7001' },
  user: { type: 'string', default: '' },
  password: { type: 'string', default: '' },
  db: { type: 'string', default: '0' },
  timeout: { type: 'string', default: '60' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** Where there is nothing to write for so long, replies are looked at nevertheless. */
const TURN_BYTES = 16 * 1024 * 1024

export async function importCommand(args: readonly string[], output: Output): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'string') {
    output.error(`kindred: ${options}`)
    output.error('"kindred help import" lists the options.')
    return 1
  }
  if (options.help) return printHelp('import', output)
  try {
    return await importFile(options, output)
  } catch (error) {
    output.error(`kindred: ${options.file}: ${(error as Error).message}`)
    return 1
  }
}

interface ImportOptions {
  readonly file: string
  readonly address: Address
  readonly user: string
  readonly password: string
  readonly database: number
  readonly timeoutMs: number
  readonly help: boolean
}

/** The options, or what is wrong with them. */
function parseOptions(args: readonly string[]): ImportOptions | string {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    const { host, user, db, help } = values
    const port = Number(values.port)
    const timeoutSeconds = Number(values.timeout)
    if (!help && positionals.length !== 1) return 'import needs the path of one dump'
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      return `--port: ${JSON.stringify(values.port)}, allowed: an integer from 1 to 65535`
    }
    if (!/^\d{1,9}$/.test(db)) return `--db: ${JSON.stringify(db)}, allowed: the number of a database`
    if (!(timeoutSeconds > 0 && timeoutSeconds <= 3600)) {
      return `--timeout: ${JSON.stringify(values.timeout)}, allowed: seconds above 0, up to 3600`
    }
    const password = values.password === '' ? (process.env.REDISCLI_AUTH ?? '') : values.password
    const [timeoutMs, database] = [timeoutSeconds * 1000, Number(db)]
    return { file: positionals[0] ?? '', address: { host, port }, user, password, database, timeoutMs, help }
  } catch (error) {
    return (error as Error).message
  }
}

async function importFile(options: ImportOptions, output: Output): Promise<number> {
  const file = openSync(options.file, 'r')
  try {
    const reader = openDump(file)
    const report = new ImportReport(options.database, fstatSync(file).size, new NodeClock(), output)
    const insert = await connectTo(options, report)
    try {
      await copy(reader, insert, report)
    } catch (error) {
      output.error(`kindred: ${options.file}: ${(error as Error).message}`)
      report.print(reader, insert.writtenKeys, 'stopped')
      return 1
    } finally {
      insert.close()
    }
    report.print(reader, insert.writtenKeys, 'done')
    return report.refused === 0 ? 0 : 1
  } finally {
    closeSync(file)
  }
}

/** Throws RdbError when it is no dump. */
function openDump(file: number): RdbReader {
  const read = (into: Uint8Array, from: number): number =>
    readSync(file, into, from, into.length - from, null)
  return new RdbReader(read, fstatSync(file).size)
}

/** Logs in, and asks how large a value may be. */
async function connectTo(options: ImportOptions, report: ImportReport): Promise<MassInsert> {
  const { address, user, password, timeoutMs } = options
  const onRefused = (key: Buffer, error: string): void => report.onRefused(key, error)
  const insert = await openInsert(address, { timeoutMs, onRefused })
  try {
    const login = user === '' ? [password] : [user, password]
    const answer = password === '' ? await insert.ask('PING') : await insert.ask('AUTH', ...login)
    if (answer instanceof Error) throw answer
    const limit = await insert.ask('CONFIG', 'GET', 'proto-max-bulk-len')
    if (Array.isArray(limit) && Buffer.isBuffer(limit[1])) report.valueBytesMax = Number(limit[1].toString())
    return insert
  } catch (error) {
    insert.close()
    throw error
  }
}

async function openInsert(...args: Parameters<typeof MassInsert.open>): Promise<MassInsert> {
  try {
    return await MassInsert.open(...args)
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    throw new Error(`no node at ${addressText(args[0])}: ${message === '' ? code : message}`)
  }
}

async function copy(reader: RdbReader, insert: MassInsert, report: ImportReport): Promise<void> {
  let turnEnds = TURN_BYTES
  for (let item = reader.next(); item !== null; item = reader.next()) {
    if (report.wants(item)) insert.set(item.key, item.value, item.expireAtMs)
    report.progress(reader.offset, insert.writtenKeys)
    if (!insert.hasRoom) await insert.room()
    if (reader.offset < turnEnds) continue
    turnEnds = reader.offset + TURN_BYTES
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  await insert.finish()
}

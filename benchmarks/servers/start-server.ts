/** How each server is started: Kindred from this checkout, Redis with an append-only file, the prototypes. */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, ServerProcess } from './server-process.js'

export type AppendFsync = 'always' | 'everysec' | 'no'

export const KINDRED = fileURLToPath(new URL('../../../bin/kindred', import.meta.url))

/** `more`: further settings, as on the command line. */
export async function startKindred(
  directory: string,
  appendfsync: AppendFsync,
  ...more: readonly string[]
): Promise<ServerProcess> {
  const port = await freePort()
  const settings = ['--port', String(port), '--dir', directory, '--appendfsync', appendfsync]
  return ServerProcess.start({
    name: 'Kindred',
    program: KINDRED,
    args: ['server', ...settings, '--loglevel', 'warning', ...more],
    port,
    isBusy: isKindredBusy,
  })
}

export function isKindredBusy(info: ReadonlyMap<string, string>): boolean {
  const fields = ['storage_flushing', 'storage_compacting', 'rdb_bgsave_in_progress']
  return fields.some((field) => info.get(field) === '1')
}

/** Redis with the defaults of its AOF (a rewrite when it has doubled), without snapshots; `more`: further arguments. */
export async function startRedis(
  directory: string,
  appendfsync: AppendFsync,
  ...more: readonly string[]
): Promise<ServerProcess> {
  return startRedisOn(await freePort(), directory, appendfsync, ...more)
}

/** The same on a port of the caller's choice. */
export function startRedisOn(
  port: number,
  directory: string,
  appendfsync: AppendFsync,
  ...more: readonly string[]
): Promise<ServerProcess> {
  const settings = ['--port', String(port), '--dir', directory, '--appendonly', 'yes']
  return ServerProcess.start({
    name: 'Redis',
    program: 'redis-server',
    args: [...settings, '--appendfsync', appendfsync, '--save', '', '--daemonize', 'no', ...more],
    port,
    isBusy: (info) =>
      info.get('aof_rewrite_in_progress') === '1' ||
      info.get('aof_rewrite_scheduled') === '1' ||
      info.get('aof_pending_bio_fsync') !== '0',
  })
}

/** A prototype listens on a port of its own choice and keeps its log in the system's folder for temporary files. */
export async function startPrototype(
  script: string,
  port: number,
  directory: string,
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<ServerProcess> {
  return ServerProcess.start({
    name: basename(script),
    program: process.execPath,
    args: [script, ...args],
    port,
    isBusy: null,
    env: { TMPDIR: directory, ...env },
  })
}

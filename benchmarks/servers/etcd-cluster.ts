/**
 * Three members of etcd on this machine, from Debian's etcd-server: the contrast of a strongly consistent store, which syncs
 * every write to the disks of a majority and has one leader. It is installed when it is missing and this is root.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './cleanup.js'
import type { Address } from './resp-client.js'
import { eventually, ServerGroup } from './server-group.js'
import { freePorts, ServerProcess } from './server-process.js'

const MEMBERS = 3
const PACKAGE = 'etcd-server'
const INSTALL_LIMIT_MS = 300_000

/** 'etcd 3.4.23', or null when it is not there and could not be installed. */
export function etcdVersion(): string | null {
  return installedVersion() ?? (install() ? installedVersion() : null)
}

export const ETCD_MISSING = `etcd not run: it is missing (as root: apt-get install ${PACKAGE})`

function installedVersion(): string | null {
  const { status, stdout } = spawnSync('etcd', ['--version'], { encoding: 'utf8' })
  return status === 0 ? `etcd ${/Version: (\S+)/.exec(stdout)?.[1] ?? ''}`.trim() : null
}

/** The service that the package starts is stopped again: members are started here, on free ports. */
function install(): boolean {
  if (process.getuid?.() !== 0) return false
  const run = (program: string, ...args: string[]): boolean =>
    spawnSync('env', ['DEBIAN_FRONTEND=noninteractive', program, ...args], { timeout: INSTALL_LIMIT_MS })
      .status === 0
  const get = (): boolean => run('apt-get', 'install', '-q', '-y', '--no-install-recommends', PACKAGE)
  if (!get() && !(run('apt-get', 'update', '-q') && get())) return false
  if (existsSync('/run/systemd/system')) run('systemctl', 'disable', '--now', 'etcd')
  else run('service', 'etcd', 'stop')
  return true
}

/** Resolves when every member serves. */
export async function startEtcdCluster(parent: string): Promise<ServerGroup> {
  const folder = temporaryFolder(parent, 'etcd')
  const ports = await freePorts(MEMBERS * 2)
  const members = Array.from({ length: MEMBERS }, (_, i) => ({
    name: `m${i}`,
    port: ports[i * 2],
    peer: `http://127.0.0.1:${ports[i * 2 + 1]}`,
  }))
  const all = members.map(({ name, peer }) => `${name}=${peer}`).join(',')
  const servers = await Promise.all(
    members.map(({ name, port, peer }) => {
      const client = `http://127.0.0.1:${port}`
      const urls = [
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ]
      return ServerProcess.start({
        name: `etcd ${name}`,
        program: 'etcd',
        args: ['--name', name, '--data-dir', join(folder, name), ...urls, '--initial-cluster', all],
        port,
        isBusy: null,
        isServing: isHealthy,
      })
    }),
  )
  const group = new ServerGroup('etcd', servers, [folder])
  await eventually('etcd is not ready', async () => {
    for (const { address, name } of servers)
      if (!(await isHealthy(address))) throw new Error(`${name} is not healthy`)
  })
  return group
}

async function isHealthy({ host, port }: Address): Promise<boolean> {
  try {
    const response = await fetch(`http://${host}:${port}/health`)
    return response.ok
  } catch {
    return false
  }
}

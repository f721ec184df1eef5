/** The machine and the versions a figure was measured with. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

/** Above this load something else was running, and the figures are not worth publishing. */
const QUIET_LOAD_MAX = 0.5

/** Taken before a benchmark starts, so that the load is not its own. */
export function machineFacts(directory: string): string[] {
  const [cpu] = cpus()
  const load = loadavg()[0]
  const memoryGb = Math.round(totalmem() / 2 ** 30)
  const facts = [
    `machine: ${availableParallelism()} cores (${cpu.model.trim()}), ${memoryGb} GB, Linux ${release()}, data on ${fileSystem(directory)}`,
    `versions: Kindred ${commit()}, Node ${process.versions.node}, ${version('redis-server')}`,
  ]
  if (load > QUIET_LOAD_MAX) {
    facts.push(`NOT A QUIET MACHINE: the load was ${load.toFixed(2)} before the start; take ratios with care`)
  }
  return facts
}

export function packageVersion(name: string): string {
  const path = new URL(`../../../node_modules/${name}/package.json`, import.meta.url)
  return `${name} ${(JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version}`
}

function fileSystem(directory: string): string {
  return (
    run('df', ['--output=fstype,source', directory]).split('\n').at(-1)?.trim().replace(/\s+/, ' on ') ?? ''
  )
}

function commit(): string {
  const dirty = run('git', ['status', '--porcelain', 'src']) === '' ? '' : ' with local changes'
  return `${run('git', ['rev-parse', '--short', 'HEAD']) || 'of an unknown commit'}${dirty}`
}

function version(program: string): string {
  return /v=([\d.]+)/.exec(run(program, ['--version']))?.[1].replace(/^/, `${program} `) ?? `no ${program}`
}

function run(program: string, args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

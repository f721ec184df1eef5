// Installs what package-lock.json names when it is not there yet: a fresh clone needs nothing but Node and npm. Plain
// Node without packages, because it runs before there are any.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs `npm ci` unless node_modules holds exactly the locked versions. Ends the process when that fails. */
export function installPackages() {
  if (isInstalled()) return
  console.log('Installing packages (npm ci) …')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/**
 * Runs a command of which only failures matter: its output is shown when it fails, then this process ends with its code.
 */
export function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (result.status === 0) return
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  console.error(`"${command} ${args.join(' ')}" failed${result.error ? `: ${result.error.message}` : ''}`)
  process.exit(result.status ?? 1)
}

/** Compares versions, not times: npm writes its own record of what it installed beside the packages. */
function isInstalled() {
  try {
    const wanted = packagesOf('package-lock.json')
    const installed = packagesOf('node_modules/.package-lock.json')
    return Object.entries(wanted).every(
      ([path, { version, optional }]) =>
        path === '' || installed[path]?.version === version || (optional && installed[path] === undefined),
    )
  } catch {
    return false
  }
}

function packagesOf(lockFile) {
  return JSON.parse(readFileSync(`${root}/${lockFile}`, 'utf8')).packages
}

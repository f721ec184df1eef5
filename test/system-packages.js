// Tests compare Kindred with Redis, drive it with Redis's own tools, put nodes on networks that they make and set their
// clocks. Where the programs for it are missing they are installed from Debian (or a system derived from it); the service
// that Redis's package starts on port 6379 is stopped again, because tests start servers of their own on free ports. A Redis
// that was there before is not touched.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const PACKAGE_OF = new Map([
  ['redis-cli', 'redis-tools'],
  ['redis-benchmark', 'redis-tools'],
  ['redis-server', 'redis-server'],
  ['ip', 'iproute2'],
  ['faketime', 'faketime'],
])

/** Null when everything is there (now), else a sentence about what is missing and what to do. */
export function installSystemPackages() {
  const missing = [
    ...new Set([...PACKAGE_OF].filter(([program]) => !onPath(program)).map(([, name]) => name)),
  ]
  if (missing.length === 0) return null
  const help = `The tests need ${missing.join(' and ')} (Redis 7); install them and run npm test again.`
  if (!onPath('apt-get')) return `${help} (There is no apt-get here to do it with.)`
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  if (sudo.length > 0 && !onPath('sudo')) return `${help} (Installing needs root, and there is no sudo.)`
  console.log(`Installing ${missing.join(', ')} (apt-get) …`)
  const failure =
    asRoot(sudo, ['apt-get', 'update', '-q']) ??
    asRoot(sudo, ['apt-get', 'install', '-q', '-y', '--no-install-recommends', ...missing])
  if (missing.includes('redis-server')) stopService(sudo)
  return failure === undefined ? null : `${help}\n${failure}`
}

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Undefined when it worked, else what was printed. */
function asRoot(sudo, command) {
  const [program, ...args] = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', ...command]
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return result.status === 0
    ? undefined
    : `${command.join(' ')} failed:\n${result.stdout ?? ''}${result.stderr ?? ''}`
}

/** Only after this run installed the package, so what it stops is what the installation started. */
function stopService(sudo) {
  const systemd = existsSync('/run/systemd/system')
  asRoot(
    sudo,
    systemd ? ['systemctl', 'disable', '--now', 'redis-server'] : ['service', 'redis-server', 'stop'],
  )
}

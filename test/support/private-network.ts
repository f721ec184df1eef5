/**
 * Machines of a test's own on one computer: network namespaces on a bridge, each with an address of a private range, as root
 * on Linux. What is cut here is cut as on a real network: packets vanish, nobody is told, and TCP goes on trying.
 *
 * One direction between two machines is cut by a wrong neighbour entry: the sender addresses its frames to a station that does
 * not exist. (Filters of the kernel would do as well, but their modules are missing in many containers.)
 *
 * The computer itself is on the bridge, too: clients in the test's process reach every machine that is plugged in. Everything
 * is named after the process that made it and removed with it; what a killed process left behind goes when the next one starts.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

const NAMESPACES = '/run/netns'
const NAME = /^kd(\d+)\.\d+/
const OWN_HOST_NUMBER = 254
const NOBODY = '02:00:00:00:00:01'
const SUBNETS = 8192
const FIRST_SECOND_OCTET = 192
const TRIES = 100
const LOOPBACK = 'lo'
const CABLE = 'eth0'

const networks = new Set<PrivateNetwork>()
let made = 0
let refused: string | null | undefined

export class PrivateNetwork {
  readonly machines: number
  readonly #name: string
  readonly #prefix: string

  private constructor(machines: number) {
    this.machines = machines
    this.#name = `kd${process.pid}.${made++}`
    this.#prefix = freePrefix()
  }

  /** Null where networks can be made, else why not. */
  static refusal(): string | null {
    if (refused === undefined) refused = tryOne()
    return refused
  }

  /** Throws where the computer does not allow it. Machines have the numbers 0 to `machines` - 1. */
  static make(machines: number): PrivateNetwork {
    if (networks.size === 0) sweep()
    const network = new PrivateNetwork(machines)
    if (networks.size === 0) process.once('exit', removeAll)
    networks.add(network)
    try {
      network.#build()
    } catch (error) {
      network.remove()
      throw error
    }
    return network
  }

  addressOf(machine: number): string {
    return `${this.#prefix}.${machine + 1}`
  }

  /** The words before a program that is to run on this machine; the program's pid is that of the command. */
  on(machine: number): readonly string[] {
    return ['nsenter', `--net=${NAMESPACES}/${this.#cableOf(machine)}`]
  }

  /** What one machine sends to another is lost from now on. */
  drop(from: number, to: number): void {
    const entry = ['neigh', 'replace', this.addressOf(to), 'lladdr', NOBODY, 'dev', CABLE, 'nud', 'permanent']
    ip(['-n', this.#cableOf(from), ...entry])
  }

  /** It arrives again. */
  pass(from: number, to: number): void {
    ip([
      '-n',
      this.#cableOf(from),
      'neigh',
      'flush',
      'to',
      this.addressOf(to),
      'dev',
      CABLE,
      'nud',
      'permanent',
    ])
  }

  /** Nobody reaches the machine, clients included, and it reaches nobody. */
  unplug(machine: number): void {
    ip(['link', 'set', this.#cableOf(machine), 'nomaster'])
  }

  plug(machine: number): void {
    ip(['link', 'set', this.#cableOf(machine), 'master', this.#name])
  }

  /** Programs that still run on its machines are left without a network. */
  remove(): void {
    networks.delete(this)
    removeLinks(this.#name, this.#cables())
  }

  #cableOf(machine: number): string {
    return `${this.#name}-${machine}`
  }

  #cables(): string[] {
    return Array.from({ length: this.machines }, (_, machine) => this.#cableOf(machine))
  }

  #build(): void {
    ipBatch([
      `link add ${this.#name} type bridge`,
      `addr add ${this.#prefix}.${OWN_HOST_NUMBER}/24 dev ${this.#name}`,
      `link set ${this.#name} up`,
      ...this.#cables().flatMap((cable) => [
        `netns add ${cable}`,
        `link add ${cable} type veth peer name ${CABLE} netns ${cable}`,
        `link set ${cable} master ${this.#name} up`,
      ]),
    ])
    for (const [machine, cable] of this.#cables().entries()) {
      const address = `${this.addressOf(machine)}/24`
      const lines = [`link set ${LOOPBACK} up`, `addr add ${address} dev ${CABLE}`, `link set ${CABLE} up`]
      ipBatch(lines, ['-n', cable])
    }
  }
}

/** What one machine sends another: cut and held are the same here. */
export class NetworkWay {
  readonly #network: PrivateNetwork
  readonly #from: number
  readonly #to: number
  #isCut = false

  constructor(network: PrivateNetwork, from: number, to: number) {
    this.#network = network
    this.#from = from
    this.#to = to
  }

  cut(): void {
    this.#isCut = true
    this.#network.drop(this.#from, this.#to)
  }

  hold(): void {
    this.cut()
  }

  heal(): void {
    if (this.#isCut) this.#network.pass(this.#from, this.#to)
    this.#isCut = false
  }
}

function tryOne(): string | null {
  if (process.platform !== 'linux') return 'there are no network namespaces here'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    PrivateNetwork.make(1).remove()
    return null
  } catch (error) {
    return `network namespaces cannot be made: ${(error as Error).message.trim()}`
  }
}

function ip(args: readonly string[], input = ''): void {
  const { status, stderr, error } = spawnSync('ip', args, { input, encoding: 'utf8', timeout: 20_000 })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr}`)
}

function ipBatch(lines: readonly string[], args: readonly string[] = []): void {
  ip([...args, '-batch', '-'], `${lines.join('\n')}\n`)
}

/** 10.x.y, where this computer has no route to yet. */
function freePrefix(): string {
  for (let i = 0; i < TRIES; i++) {
    const subnet = Math.floor(Math.random() * SUBNETS)
    const [second, third] = [FIRST_SECOND_OCTET + (subnet >> 8), subnet & 255]
    if (!isRouted(((10 << 24) | (second << 16) | (third << 8)) >>> 0)) return `10.${second}.${third}`
  }
  throw new Error('all private networks are taken')
}

/** Whether a route other than the default one leads to addresses of this /24. */
function isRouted(network: number): boolean {
  const lines = readFileSync('/proc/net/route', 'latin1').trim().split('\n').slice(1)
  return lines.some((line) => {
    const [, destination, , , , , , mask] = line.split('\t').map((field) => reversed(parseInt(field, 16)))
    return mask !== 0 && ((network ^ destination) & mask & 0xffffff00) === 0
  })
}

/** The kernel prints addresses as the numbers that little-endian machines take them for. */
function reversed(word: number): number {
  return (((word & 255) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
}

function removeAll(): void {
  for (const network of networks) network.remove()
}

/** Removes what processes that are gone have left. */
function sweep(): void {
  const abandoned = (name: string): boolean => {
    const owner = NAME.exec(name)?.[1]
    return owner !== undefined && !existsSync(`/proc/${owner}`)
  }
  const cables = existsSync(NAMESPACES) ? readdirSync(NAMESPACES).filter(abandoned) : []
  const bridges = Object.keys(networkInterfaces()).filter((name) => abandoned(name) && !name.includes('-'))
  for (const bridge of bridges) removeLinks(bridge, [])
  removeLinks(null, cables)
}

/** What is already gone is passed over. */
function removeLinks(bridge: string | null, cables: readonly string[]): void {
  const lines = cables.flatMap((cable) => [`link del ${cable}`, `netns del ${cable}`])
  if (bridge !== null) lines.push(`link del ${bridge}`)
  if (lines.length > 0)
    spawnSync('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n`, timeout: 20_000 })
}

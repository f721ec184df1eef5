/**
 * What goes wrong in a run: faults of the kinds that it has, one after the other at random times, each mended after a while. Every
 * one is counted by its kind and told to the story.
 */
import type { Timer } from '../../env/clock.js'
import type { CrashMode } from '../disk/sim-file.js'
import type { SimCluster } from '../sim-cluster.js'
import type { SimClock } from '../sim-clock.js'
import type { DiskContents } from '../sim-env.js'
import type { SimNode } from '../sim-node.js'
import type { SimRandom } from '../sim-random.js'
import { assert } from '../../util/assert.js'
import type { FaultKind } from './fault-model.js'
import type { Story } from './story.js'

export interface FaultOptions {
  /** The more often one stands here, the more often it happens. */
  readonly kinds: readonly FaultKind[]
  /** Between two faults, on average. */
  readonly everyMs: number
  /** How long one lasts, on average. */
  readonly lastsMs: number
  /** Where it is another time for some. */
  readonly lastsMsOf?: Readonly<Partial<Record<FaultKind, number>>>
}

const SLOW_DISK_MS = 200
const SLOW_LINK_MS = 150
const USUAL_DISK_MS = 2
const HANGING_DISK_MS = 2000
const HANGS_MS = 100
const FLAPS = 8
/** So many times as long as other faults somebody is away. */
const AWAY = 6
const JUMPS_MS = [-3_600_000, -5000, -400, 300, 2000, 60_000, 3_600_000]
const DRIFT_MAX = 0.02
/** Two clocks that are skewed are still less than max-clock-drift apart. */
const SKEW_MS = 200
const FAR_MS = 250
/** For so long others go on taking a clock for wrong that was set right: they see it by the pings of a second, if none is lost. */
const SEEN_MS = 2000

export class Faults {
  /** By kind, how many there were. */
  readonly counts = new Map<FaultKind, number>()
  readonly #cluster: SimCluster
  readonly #random: SimRandom
  readonly #options: FaultOptions
  readonly #story: Story
  readonly #down = new Set<SimNode>()
  readonly #starting = new Set<SimNode>()
  readonly #paused = new Set<SimNode>()
  /** Nodes that stop in order, until they have. */
  readonly #stopping = new Set<SimNode>()
  /** Their disk has failed a call: somebody starts them anew. */
  readonly #sick = new Set<SimNode>()
  /** Bits of their logs were flipped, which only a start reads. */
  readonly #flipped = new Set<SimNode>()
  /** When a wrong clock was last set right. */
  readonly #setRightAtMs = new Map<SimNode, number>()
  /** Who is cut off for long. */
  #away: SimNode | null = null
  /** A disk as it was at some time. */
  readonly #copies = new Map<SimNode, DiskContents>()
  /** Starts that failed although nothing was wrong any more. */
  readonly failedStarts: string[] = []
  #timer: Timer | null = null
  #isOn = false
  /** Nobody does anything: all is off, or asleep. */
  #worldStands = false

  constructor(cluster: SimCluster, random: SimRandom, options: FaultOptions, story: Story) {
    this.#cluster = cluster
    this.#random = random
    this.#options = options
    this.#story = story
  }

  /** Whether every node runs and none is paused. */
  get allUp(): boolean {
    return (
      this.#paused.size === 0 &&
      this.#stopping.size === 0 &&
      this.#cluster.nodes.every((node) => node.isRunning)
    )
  }

  begin(): void {
    if (this.#isOn) return
    this.#isOn = true
    this.#schedule()
  }

  /** Whether its clock is wrong, or was so shortly ago that others may not have seen it be right. */
  isClockWrong(node: SimNode): boolean {
    const rightSinceMs = this.#setRightAtMs.get(node) ?? -Infinity
    return isFar(node.clock) || this.#cluster.queue.nowMs - rightSinceMs < SEEN_MS
  }

  /** No more faults; those that last are mended in their time. */
  end(): void {
    this.#isOn = false
    this.#timer?.cancel()
  }

  /** Everything is mended at once. Nodes that are down are started. */
  healAll(): void {
    this.end()
    this.#story.say('heal all')
    this.#away = null
    const { network, nodes } = this.#cluster
    this.#cluster.heal()
    for (const node of nodes) {
      for (const other of nodes) network.slow(node.address, other.address, null)
      this.#mendMachine(node)
    }
  }

  /** Nodes that do not run although they should are started, however often that fails. */
  startAll(): void {
    for (const node of this.#cluster.nodes) {
      if (!node.isRunning && !this.#starting.has(node) && !this.#stopping.has(node)) this.#start(node)
    }
  }

  count(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
  }

  /** The disk is gone, or is as it was when a copy was taken. */
  lose(node: SimNode, kind: 'wipe' | 'restore'): void {
    const copy = kind === 'wipe' ? 'nothing' : this.#copies.get(node)
    if (copy === undefined) return
    this.count(kind)
    this.#story.say(`${kind} ${node.name}`)
    this.#forget(node)
    node.crashOnto(copy)
    this.#start(node)
  }

  copyDisk(node: SimNode): void {
    this.#copies.set(node, node.copyDisk())
    this.#story.say(`copy of the disk of ${node.name} taken`)
  }

  hasCopy(node: SimNode): boolean {
    return this.#copies.has(node)
  }

  /** Flips some bits in a file of the node's directory, which it may have to read in its next start. */
  flipBits(node: SimNode): void {
    const random = this.#random
    const { disk } = node
    const paths = disk.paths.filter((path) => /\.(log|table)$/.test(path))
    if (paths.length === 0) return
    const path = random.pick(paths)
    const file = disk.open(path, 'read')
    const sizeBytes = disk.sizeBytes(file)
    disk.close(file)
    if (sizeBytes === 0) return
    this.count('bit-flip')
    for (let left = random.between(1, 3); left > 0; left--) {
      const offset = random.below(sizeBytes)
      disk.flipBit(path, offset, random.below(8))
      this.#story.say(`bit-flip ${node.name} ${path} @${offset} of ${sizeBytes}`)
    }
    if (path.endsWith('.log')) this.#flipped.add(node)
    if (random.chance(0.5)) this.#crash(node, 'keep-all', 'crash-keep-all')
  }

  /** All nodes lose power, or sleep, for a time in which nothing else happens. */
  async stopTheWorld(kind: 'blackout' | 'sleep', durationMs: number): Promise<void> {
    this.count(kind)
    this.#story.say(`${kind} for ${Math.round(durationMs / 1000)} s`)
    const { nodes } = this.#cluster
    this.#worldStands = true
    // What nobody has synced may be lost everywhere at once.
    const modes: readonly CrashMode[] = this.#random.chance(0.5)
      ? ['lose-all']
      : ['lose-all', 'random', 'keep-all']
    for (const node of nodes) {
      if (kind === 'sleep') node.clock.pause()
      else this.#powerOff(node, this.#random.pick(modes))
    }
    await this.#cluster.run(durationMs)
    this.#story.say(`end of ${kind}`)
    this.#worldStands = false
    this.#paused.clear()
    for (const node of nodes) {
      node.clock.resume()
      this.#startIfDown(node)
    }
  }

  // Times.

  #schedule(): void {
    const delayMs = this.#exponential(this.#options.everyMs)
    this.#timer = this.#cluster.queue.schedule(delayMs, () => {
      if (!this.#isOn) return
      this.#strike(this.#random.pick(this.#options.kinds))
      this.#schedule()
    })
  }

  #exponential(meanMs: number): number {
    return -Math.log(1 - this.#random.fraction()) * meanMs
  }

  #later(task: () => void, meanMs = this.#options.lastsMs): void {
    this.#cluster.queue.schedule(this.#exponential(meanMs), task)
  }

  // Faults.

  #strike(kind: FaultKind): void {
    const random = this.#random
    const { nodes } = this.#cluster
    const node = random.pick(nodes)
    const other = random.pick(nodes.filter((one) => one !== node))
    switch (kind) {
      case 'crash-lose-all':
        return this.#crash(node, 'lose-all', kind)
      case 'crash-random':
        return this.#crash(node, 'random', kind)
      case 'crash-keep-all':
        return this.#crash(node, 'keep-all', kind)
      case 'crash-hanging':
        return this.#crashHanging(node)
      case 'stop':
        return this.#stop(node)
      case 'pause':
        return this.#pause(node)
      case 'partition-whole':
        return this.#cut(kind, [node], nodes, true)
      case 'away':
        return this.#leave(node)
      case 'partition-partial':
        return this.#cut(kind, [node], [other], true)
      case 'partition-one-way':
        return this.#cut(kind, [node], random.chance(0.5) ? [other] : nodes, false)
      case 'partition-bridge':
        return this.#bridge(node)
      case 'flapping':
        return this.#flap(node, other)
      case 'stall':
        return this.#cut(kind, [node], [other], false, 300)
      case 'delay':
        return this.#slow(node, other)
      case 'break':
      case 'client-break':
        return this.#break(kind, node, other)
      case 'clock-skew':
      case 'clock-drift':
      case 'clock-jump':
        return this.#clock(kind, node)
      case 'eio-read':
      case 'eio-write':
      case 'eio-sync':
      case 'enospc':
      case 'slow-disk':
        return this.#disk(kind, node)
      case 'reads-hang':
        return this.#hangReads(node)
      case 'bit-flip':
      case 'wipe':
      case 'restore':
      case 'blackout':
      case 'sleep':
        // Between two parts of a run, since they need quiet, or the time of everybody: see simulation.ts.
        return
    }
  }

  #crash(node: SimNode, mode: CrashMode, kind: FaultKind): void {
    if (this.#down.has(node)) return
    this.count(kind)
    this.#story.say(`${kind} ${node.name}`)
    this.#powerOff(node, mode)
    this.#later(() => this.#startIfDown(node))
  }

  #crashHanging(node: SimNode): void {
    if (this.#down.has(node)) return
    this.#story.say(`the disk of ${node.name} hangs`)
    const { disk } = node
    disk.delayMsMax = HANGING_DISK_MS
    this.#later(() => {
      if (node.disk === disk) this.#crash(node, 'lose-all', 'crash-hanging')
    }, HANGS_MS)
  }

  #powerOff(node: SimNode, mode: CrashMode): void {
    this.#forget(node)
    node.crash(mode)
    this.#down.add(node)
  }

  /** It is another machine life: what lasted of faults of the old one is over. */
  #forget(node: SimNode): void {
    this.#paused.delete(node)
    this.#stopping.delete(node)
    this.#starting.delete(node)
    this.#sick.delete(node)
    this.#flipped.delete(node)
    node.disk.delayMsMax = USUAL_DISK_MS
  }

  #startIfDown(node: SimNode): void {
    if (this.#down.has(node) && !this.#starting.has(node) && !this.#worldStands) this.#start(node)
  }

  #start(node: SimNode): void {
    assert(!node.isRunning, 'a node that is started does not run')
    this.#story.say(`start ${node.name}`)
    this.#starting.add(node)
    this.#down.delete(node)
    const { disk } = node
    node.start().then(
      () => {
        if (node.disk !== disk) return
        this.#starting.delete(node)
        this.#story.say(`started ${node.name}`)
      },
      (error: unknown) => {
        if (node.disk !== disk) return
        this.#starting.delete(node)
        this.failedStarts.push(`${node.name}: ${String(error)}`)
        this.#story.say(`${node.name} did not start: ${String(error)}`)
        // An operator looks at it and tries again.
        this.#powerOff(node, 'keep-all')
        this.#later(() => this.#startIfDown(node))
      },
    )
  }

  #stop(node: SimNode): void {
    if (!node.isRunning || this.#paused.has(node) || this.#stopping.has(node)) return
    this.count('stop')
    this.#story.say(`stop ${node.name}`)
    this.#stopping.add(node)
    const { disk } = node
    void node.halt().then(() => {
      if (node.disk !== disk) return
      this.#story.say(`stopped ${node.name}`)
      this.#powerOff(node, this.#random.pick(['keep-all', 'lose-all'] as const))
      this.#later(() => this.#startIfDown(node))
    })
  }

  #pause(node: SimNode): void {
    if (this.#down.has(node) || this.#paused.has(node)) return
    this.count('pause')
    this.#story.say(`pause ${node.name}`)
    this.#paused.add(node)
    const { clock } = node
    clock.pause()
    this.#later(() => {
      if (node.clock !== clock || this.#worldStands) return
      this.#story.say(`resume ${node.name}`)
      clock.resume()
      this.#paused.delete(node)
    })
  }

  #cut(
    kind: FaultKind,
    from: readonly SimNode[],
    to: readonly SimNode[],
    bothWays: boolean,
    meanMs = this.#options.lastsMsOf?.[kind] ?? this.#options.lastsMs,
    mended: () => void = () => {},
  ): void {
    this.count(kind)
    const { network } = this.#cluster
    const pairs = from.flatMap((node) => to.filter((one) => !from.includes(one)).map((one) => [node, one]))
    const names = (nodes: readonly SimNode[]): string => nodes.map(({ name }) => name).join(',')
    const arrow = bothWays ? '<>' : '>'
    this.#story.say(`${kind} ${names(from)} ${arrow} ${names(to.filter((one) => !from.includes(one)))}`)
    for (const [one, other] of pairs) {
      network.block(one.address, other.address)
      if (bothWays) network.block(other.address, one.address)
    }
    this.#later(() => {
      this.#story.say(`mend ${kind} ${names(from)}`)
      for (const [one, other] of pairs) network.heal(one.address, other.address)
      mended()
    }, meanMs)
  }

  #leave(node: SimNode): void {
    if (this.#away !== null) return
    this.#away = node
    const { lastsMs, lastsMsOf } = this.#options
    this.#cut('away', [node], this.#cluster.nodes, true, lastsMsOf?.away ?? AWAY * lastsMs, () => {
      if (this.#away === node) this.#away = null
    })
  }

  #bridge(bridge: SimNode): void {
    const others = this.#cluster.nodes.filter((node) => node !== bridge)
    const half = Math.ceil(others.length / 2)
    this.#cut('partition-bridge', others.slice(0, half), others.slice(half), true)
  }

  #flap(node: SimNode, other: SimNode): void {
    this.count('flapping')
    this.#story.say(`flapping ${node.name} <> ${other.name}`)
    const { network, queue } = this.#cluster
    let atMs = 0
    for (let i = 0; i < FLAPS; i++) {
      atMs += this.#random.fraction() * this.#options.lastsMs * 0.2
      queue.schedule(atMs, () => {
        if (i % 2 === 0 && this.#isOn) {
          network.break(node.address, other.address)
          network.partition(node.address, other.address)
        } else network.heal(node.address, other.address)
      })
    }
  }

  #slow(node: SimNode, other: SimNode): void {
    this.count('delay')
    const { network } = this.#cluster
    const delayMsMax = this.#random.fraction() * SLOW_LINK_MS
    this.#story.say(`delay ${node.name} > ${other.name} up to ${delayMsMax.toFixed(0)} ms`)
    network.slow(node.address, other.address, delayMsMax)
    this.#later(() => network.slow(node.address, other.address, null))
  }

  #break(kind: 'break' | 'client-break', node: SimNode, other: SimNode): void {
    this.count(kind)
    const { network } = this.#cluster
    if (kind === 'break') {
      this.#story.say(`break ${node.name} ${other.name}`)
      network.break(node.address, other.address)
    } else {
      this.#story.say(`break ${node.name} and its clients`)
      network.breakFrom(node.address, (address) => address.startsWith('client'))
    }
  }

  #clock(kind: 'clock-skew' | 'clock-drift' | 'clock-jump', node: SimNode): void {
    const random = this.#random
    const { clock } = node
    const others = this.#cluster.nodes.filter((one) => one !== node)
    // Of three clocks one may be wrong, and one that was is as good as wrong until all have seen that it is no more.
    if (others.some((one) => this.isClockWrong(one))) return
    this.count(kind)
    if (kind === 'clock-drift') {
      const rate = (random.fraction() - 0.5) * 2 * DRIFT_MAX
      this.#story.say(`clock-drift ${node.name} ${(rate * 100).toFixed(2)} %`)
      clock.drift(rate)
    } else {
      const byMs = kind === 'clock-skew' ? random.between(-SKEW_MS, SKEW_MS) : random.pick(JUMPS_MS)
      this.#story.say(`${kind} ${node.name} by ${byMs} ms`)
      clock.jumpWall(byMs)
    }
    this.#later(() => {
      this.#story.say(`clock of ${node.name} set right`)
      this.#setClockRight(node)
    })
  }

  #setClockRight(node: SimNode): void {
    if (isFar(node.clock)) this.#setRightAtMs.set(node, this.#cluster.queue.nowMs)
    node.clock.setRight()
  }

  #disk(kind: 'eio-read' | 'eio-write' | 'eio-sync' | 'enospc' | 'slow-disk', node: SimNode): void {
    if (this.#down.has(node)) return
    this.count(kind)
    this.#story.say(`${kind} ${node.name}`)
    const random = this.#random
    const { disk } = node
    if (kind === 'slow-disk') disk.delayMsMax = random.fraction() * SLOW_DISK_MS
    else if (kind === 'enospc') disk.setCapacity(disk.usedBytes + random.between(0, 200_000))
    else {
      disk.failAt(random.between(1, 10), 'EIO', EIO_OPERATION[kind], random.pick([1, 1, 3]))
      this.#sick.add(node)
    }
    this.#later(() => {
      if (node.disk !== disk) return
      this.#mendDisk(node)
      // A log that has failed is not used again before the next start.
      if (this.#sick.has(node)) this.#crash(node, 'keep-all', 'crash-keep-all')
    })
  }

  #hangReads(node: SimNode): void {
    if (this.#down.has(node)) return
    this.count('reads-hang')
    this.#story.say(`what ${node.name} reads from its disk hangs`)
    const { disk } = node
    disk.stallReads()
    this.#later(() => {
      if (node.disk !== disk) return
      disk.resumeReads()
      this.#story.say(`reads of ${node.name} go on`)
    })
  }

  // Mending.

  #mendDisk(node: SimNode): void {
    const { disk } = node
    disk.clearFaults()
    disk.resumeReads()
    disk.setCapacity(Infinity)
    disk.delayMsMax = USUAL_DISK_MS
    this.#story.say(`disk of ${node.name} mended`)
  }

  #mendMachine(node: SimNode): void {
    this.#mendDisk(node)
    this.#setClockRight(node)
    if (this.#paused.delete(node)) node.clock.resume()
    // Damage of a log that nobody has read since is there until it is, and the disk has less than the node.
    if (this.#sick.has(node) || this.#flipped.has(node)) this.#crash(node, 'keep-all', 'crash-keep-all')
    this.#startIfDown(node)
  }
}

const EIO_OPERATION = { 'eio-read': 'read', 'eio-write': 'write', 'eio-sync': 'sync' } as const

function isFar({ errorMs }: SimClock): boolean {
  return Math.abs(errorMs) > FAR_MS
}

/**
 * What a seed decides about a run before it begins: how large the cluster is, which faults it has and how often, what clients do.
 * Not every run has everything: a fault that is always there hides what happens without it, and a few that come often find
 * more than many that come seldom (swarm testing: Groce et al., 2012).
 */
import type { SimRandom } from '../sim-random.js'
import type { WorkloadOptions } from '../workload/workload.js'
import { CLOCK_FAULTS, DISK_FAULTS, LOSSES } from './fault-model.js'
import type { FaultKind } from './fault-model.js'
import type { FaultOptions } from './faults.js'

export interface RunOptions {
  readonly seed: number | string
  readonly nodes: number
  /** Of the safety phase, without what quiet times and stops of the world take. */
  readonly safetyMs: number
  readonly faults: FaultOptions
  readonly workload: WorkloadOptions
  /** Faults between two parts of the safety phase, in this order. */
  readonly interludes: readonly FaultKind[]
  readonly diskDelayMsMax: number
  readonly readsEagerly: boolean
  /** Segments, tables and caches so small that a run flushes, compacts and reads from its disk. */
  readonly hasTinyStorage: boolean
  /** Of all nodes, by path. */
  readonly settings: Readonly<Record<string, string>>
  /** In the end replicas exchange; otherwise hints alone have to bring everything that they were written of. */
  readonly exchanges: boolean
  /** How far clocks may be apart: see Evidence. */
  readonly stampMs: number
}

const SAFETY_MS = 12_000
const REPLICAS = 3
/** Two stamps of one millisecond do not say which came first. */
const STAMP_MS = 2
/** Clocks that are wrong by less than max-clock-drift mint, and their stamps are believed up to twice that. */
const WRONG_CLOCK_STAMP_MS = 1500

/** Kinds by how often a run that has any of a group has them. */
const GROUPS: readonly (readonly FaultKind[])[] = [
  ['crash-lose-all', 'crash-random', 'crash-keep-all', 'crash-hanging', 'stop'],
  ['pause', 'pause'],
  ['partition-whole', 'away', 'partition-partial', 'partition-bridge', 'partition-one-way'],
  ['flapping', 'break', 'client-break'],
  ['stall', 'stall', 'delay'],
  ['clock-skew', 'clock-drift', 'clock-jump'],
  ['eio-read', 'eio-write', 'eio-sync', 'enospc'],
  ['slow-disk', 'reads-hang'],
]
/** Each is one in several runs: they cost a safety phase its quiet. */
const INTERLUDES: readonly FaultKind[] = ['wipe', 'restore', 'bit-flip', 'blackout', 'sleep']
/** What nobody reads has to be found damaged in a run's time, too. */
const SCRUBBED = { 'storage.scrub-interval': '5' }
const FAMILIES = ['once', 'once', 'reg', 'reg', 'chain', 'nx', 'cnt', 'sib', 'sib', 'del', 'ttl']

export function runOptions(
  seed: number | string,
  random: SimRandom,
  { safetyMs = SAFETY_MS, profile }: { readonly safetyMs?: number; readonly profile?: string } = {},
): RunOptions {
  const options = anyOptions(seed, random, safetyMs)
  if (profile === undefined) return options
  const { faults = {}, workload = {}, ...rest } = profileNamed(profile)
  return {
    ...options,
    ...rest,
    faults: { ...options.faults, ...faults },
    workload: { ...options.workload, ...workload },
  }
}

function anyOptions(seed: number | string, random: SimRandom, safetyMs: number): RunOptions {
  const chosen = GROUPS.filter(() => random.chance(0.4))
  const groups = chosen.length > 0 ? chosen : [random.pick(GROUPS)]
  const kinds = groups.flat()
  const hasClocks = kinds.some((kind) => CLOCK_FAULTS.has(kind))
  const clients = random.between(3, 7)
  const families = random.chance(0.5) ? FAMILIES : [random.pick(FAMILIES), random.pick(FAMILIES)]
  return {
    seed,
    nodes: random.pick([3, 3, 3, 3, 4, 4, 5, 6]),
    safetyMs,
    faults: {
      kinds,
      everyMs: random.pick([250, 700, 2000]),
      lastsMs: random.pick([200, 800, 2500]),
    },
    workload: {
      clients,
      families,
      smartClients: random.chance(0.5) ? random.between(1, 2) : 0,
      otherLevels: random.pick([0, 0, 0.1, 0.3]),
      thinkMsMax: random.pick([20, 80, 300]),
      flushChance: random.chance(0.15) ? 0.002 : 0,
      epochs: random.pick([1, 1, 6]),
    },
    interludes: INTERLUDES.filter(() => random.chance(0.2)),
    diskDelayMsMax: random.pick([0.3, 2, 8]),
    readsEagerly: random.chance(0.5),
    exchanges: true,
    hasTinyStorage: random.chance(0.7),
    settings: {
      'cluster.anti-entropy-interval': random.pick(['3000', '30000', '600000']),
      'cluster.sloppy-quorum': random.pick(['yes', 'no']),
      ...SCRUBBED,
    },
    stampMs: hasClocks ? WRONG_CLOCK_STAMP_MS : STAMP_MS,
  }
}

/** What is not left to the seed. */
type Profile = Partial<Omit<RunOptions, 'faults' | 'workload'>> & {
  readonly faults?: Partial<FaultOptions>
  readonly workload?: Partial<WorkloadOptions>
}

/** Longer than any run. */
const UNTIL_HEALED_MS = 1e9

/** Nodes lose what they have just minted, again and again; everybody works on keys of one family. */
function crashesWhileMinting(family: string): Profile {
  return {
    nodes: 3,
    faults: { kinds: ['crash-hanging'], everyMs: 600, lastsMs: 300 },
    interludes: [],
    diskDelayMsMax: 1,
    workload: {
      ...{ clients: 7, smartClients: 0, thinkMsMax: 60, otherLevels: 0, epochs: 100, flushChance: 0 },
      families: [family],
    },
    settings: { ...SCRUBBED, 'cluster.anti-entropy-interval': '0' },
    stampMs: STAMP_MS,
  }
}

/** Runs that lean towards one kind of trouble, for whoever looks for a certain kind of bug. */
const PROFILES: Readonly<Record<string, Profile>> = {
  power: {
    nodes: 3,
    faults: { kinds: ['crash-lose-all', 'crash-lose-all', 'slow-disk'], everyMs: 400, lastsMs: 300 },
    interludes: ['blackout', 'blackout', 'blackout', 'blackout'],
    diskDelayMsMax: 30,
    workload: {
      ...{ clients: 7, thinkMsMax: 20, otherLevels: 0, epochs: 6 },
      families: ['once', 'reg', 'reg', 'chain', 'sib', 'sib'],
    },
    stampMs: STAMP_MS,
  },
  unsynced: {
    nodes: 3,
    faults: { kinds: ['slow-disk'], everyMs: 3000, lastsMs: 500 },
    interludes: ['blackout', 'blackout', 'blackout', 'blackout', 'blackout', 'blackout'],
    diskDelayMsMax: 60,
    hasTinyStorage: false,
    workload: {
      ...{ clients: 7, smartClients: 0, thinkMsMax: 20, otherLevels: 0, epochs: 100, flushChance: 0 },
      families: ['reg', 'sib', 'sib'],
    },
    stampMs: STAMP_MS,
  },
  /** Hints alone bring what was missed. */
  hints: {
    nodes: 3,
    faults: {
      kinds: ['delay', 'delay', 'flapping', 'flapping', 'partition-whole', 'partition-partial', 'pause'],
      everyMs: 700,
      lastsMs: 1500,
    },
    interludes: [],
    exchanges: false,
    workload: { thinkMsMax: 40, flushChance: 0, otherLevels: 0, families: ['once', 'once', 'del', 'ttl'] },
    settings: { ...SCRUBBED, 'cluster.anti-entropy-interval': '0' },
    stampMs: STAMP_MS,
  },
  /** Exchanges alone do. */
  exchanges: {
    nodes: 3,
    faults: {
      kinds: ['break', 'partition-whole', 'partition-partial', 'pause', 'crash-keep-all', 'crash-lose-all'],
      everyMs: 1000,
      lastsMs: 800,
    },
    interludes: [],
    workload: { flushChance: 0, thinkMsMax: 40, families: ['once', 'once', 'del', 'ttl', 'sib'] },
    settings: {
      ...SCRUBBED,
      'cluster.anti-entropy-interval': '3000',
      'cluster.hinted-handoff-enabled': 'no',
    },
    stampMs: STAMP_MS,
  },
  /** Nobody but readers does, and the end. */
  reads: {
    nodes: 3,
    faults: {
      kinds: ['partition-whole', 'partition-whole', 'partition-whole', 'partition-one-way'],
      everyMs: 1500,
      lastsMs: 2000,
    },
    interludes: [],
    workload: {
      ...{ clients: 6, smartClients: 0, thinkMsMax: 80, otherLevels: 0.6, epochs: 100, flushChance: 0 },
      families: ['sib', 'sib', 'once'],
    },
    settings: {
      ...SCRUBBED,
      'cluster.anti-entropy-interval': '0',
      'cluster.hinted-handoff-enabled': 'no',
    },
    stampMs: STAMP_MS,
  },
  /** One node is away with what the others have deleted, for longer than deletions are kept. */
  age: {
    nodes: 3,
    faults: {
      kinds: ['away', 'delay'],
      everyMs: 800,
      lastsMs: 500,
      lastsMsOf: { away: UNTIL_HEALED_MS },
    },
    interludes: ['sleep', 'sleep', 'sleep'],
    workload: { flushChance: 0, thinkMsMax: 60, otherLevels: 0, families: ['del', 'del', 'ttl', 'once'] },
    settings: { ...SCRUBBED, 'cluster.anti-entropy-interval': '3000' },
    stampMs: STAMP_MS,
  },
  forgotten: crashesWhileMinting('chain'),
  amnesia: crashesWhileMinting('sib'),
  partitions: {
    nodes: 3,
    faults: {
      kinds: ['partition-whole', 'partition-partial', 'partition-one-way', 'stall'],
      everyMs: 600,
      lastsMs: 1500,
    },
    interludes: [],
    workload: { thinkMsMax: 20, flushChance: 0, epochs: 1, otherLevels: 0 },
    stampMs: STAMP_MS,
  },
  /** One node is away for long, while the others come back with new actors again and again. */
  restarts: {
    nodes: 3,
    faults: {
      kinds: ['crash-keep-all', 'crash-keep-all', 'crash-keep-all', 'crash-keep-all', 'away'],
      everyMs: 350,
      lastsMs: 50,
      lastsMsOf: { away: UNTIL_HEALED_MS },
    },
    interludes: [],
    diskDelayMsMax: 1,
    workload: { clients: 3, families: ['sib'], epochs: 100, thinkMsMax: 60, flushChance: 0, smartClients: 0 },
    stampMs: STAMP_MS,
  },
  flush: {
    nodes: 3,
    faults: { kinds: ['partition-whole', 'pause', 'crash-lose-all'], everyMs: 900, lastsMs: 600 },
    interludes: [],
    workload: { flushChance: 0.01, thinkMsMax: 40, families: ['once', 'reg', 'del', 'sib'] },
    stampMs: STAMP_MS,
  },
  absence: {
    nodes: 3,
    faults: { kinds: ['crash-keep-all', 'pause'], everyMs: 1500, lastsMs: 500 },
    interludes: ['blackout', 'sleep', 'blackout', 'sleep'],
    workload: { flushChance: 0, thinkMsMax: 80 },
    settings: { ...SCRUBBED, 'cluster.anti-entropy-interval': '3000' },
    stampMs: STAMP_MS,
  },
  damage: {
    nodes: 3,
    faults: { kinds: ['crash-keep-all', 'crash-lose-all', 'pause'], everyMs: 1500, lastsMs: 400 },
    interludes: ['bit-flip', 'wipe', 'bit-flip', 'restore', 'bit-flip'],
    hasTinyStorage: true,
    workload: { flushChance: 0, thinkMsMax: 20, families: ['once', 'once', 'del', 'ttl', 'sib'] },
    stampMs: STAMP_MS,
  },
  /** Of three clocks one is wrong, nodes come back meanwhile, and not everybody hears everybody. */
  clocks: {
    nodes: 3,
    faults: {
      kinds: ['clock-jump', 'clock-jump', 'crash-keep-all', 'partition-partial', 'partition-one-way'],
      everyMs: 300,
      lastsMs: 1200,
    },
    interludes: ['sleep'],
    workload: { families: ['ttl', 'ttl', 'del', 'once'], thinkMsMax: 40, otherLevels: 0, flushChance: 0 },
    stampMs: WRONG_CLOCK_STAMP_MS,
  },
  /** Older records have left memory and are read slowly; links do not live for long; hints alone bring what was missed. */
  cold: {
    nodes: 3,
    faults: { kinds: ['reads-hang', 'reads-hang', 'break', 'break', 'break'], everyMs: 150, lastsMs: 600 },
    interludes: [],
    exchanges: false,
    hasTinyStorage: true,
    readsEagerly: false,
    diskDelayMsMax: 2,
    workload: {
      ...{ clients: 6, thinkMsMax: 60, otherLevels: 0, flushChance: 0 },
      families: ['del', 'del', 'once'],
    },
    // Hints are made of what is still in memory, once nobody waits for it any more.
    settings: { ...SCRUBBED, 'cluster.anti-entropy-interval': '0', 'cluster.write-timeout': '400' },
    stampMs: STAMP_MS,
  },
}

function profileNamed(name: string): Profile {
  const profile = PROFILES[name]
  if (profile === undefined)
    throw new Error(`no profile ${name}; there are ${Object.keys(PROFILES).join(' ')}`)
  return profile
}

export function hasDiskFaults({ faults, interludes }: RunOptions): boolean {
  return [...faults.kinds, ...interludes].some((kind) => DISK_FAULTS.has(kind) || kind === 'bit-flip')
}

export function hasClockFaults({ faults }: RunOptions): boolean {
  return faults.kinds.some((kind) => CLOCK_FAULTS.has(kind))
}

/** Whether there is anybody who could hold a copy for a replica that is away. */
export function hasFallbacks({ nodes, settings }: RunOptions): boolean {
  return nodes > REPLICAS && settings['cluster.sloppy-quorum'] !== 'no'
}

export function isLoss(kind: FaultKind): boolean {
  return LOSSES.has(kind)
}

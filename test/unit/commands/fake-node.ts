/** A node and its connections as plain values, for the tests of commands that ask for them; time stands still until told. */
import type { CompactionScope } from '../../../src/storage/compaction/wanted.js'
import type { CompactionFacts } from '../../../src/storage/compaction-facts.js'
import type { ClusterKeyspace } from '../../../src/commands/cluster-keyspace.js'
import type { ClusterView } from '../../../src/commands/cluster-view.js'
import { LoginBrake } from '../../../src/commands/login-brake.js'
import { LEVEL_DEFAULT } from '../../../src/coordinator/consistency.js'
import type { Clock, Timer } from '../../../src/env/clock.js'
import { LatencyHistogram } from '../../../src/commands/latency-histogram.js'
import type {
  CommandStats,
  EngineFacts,
  NodeServices,
  NodeStats,
  RuntimeSettings,
  Slowlog,
  SlowlogEntry,
} from '../../../src/commands/node-services.js'
import type { SaveFacts, Snapshots } from '../../../src/commands/snapshot-service.js'
import type { Listener, Session, SessionLevel, Transaction } from '../../../src/commands/session.js'

export class ManualClock implements Clock {
  #nowMs = 0
  #timers: { atMs: number; task: () => void }[] = []
  readonly #wallStartMs: number

  constructor(wallStartMs = 1_800_000_000_123) {
    this.#wallStartMs = wallStartMs
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, task }
    this.#timers.push(timer)
    return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  endOfTurn(task: () => void): void {
    setImmediate(task)
  }

  /** Lets time pass and runs what falls due. */
  advance(ms: number): void {
    this.#nowMs += ms
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs)
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.#nowMs)
    for (const timer of due) timer.task()
  }

  get waiting(): number {
    return this.#timers.length
  }
}

export class FakeSettings implements RuntimeSettings {
  readonly #values: Map<string, string>

  constructor(values: Readonly<Record<string, string>> = {}) {
    const defaults = {
      maxclients: '10000',
      timeout: '0',
      port: '7001',
      requirepass: '',
      'maxmemory-policy': 'noeviction',
    }
    this.#values = new Map(Object.entries({ ...defaults, ...values }))
  }

  names(): readonly string[] {
    return [...this.#values.keys()].sort()
  }

  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase())
  }

  /** Numbers have to stay numbers. */
  set(name: string, value: string): string | null {
    if (/^\d+$/.test(this.get(name) ?? '') && !/^\d+$/.test(value)) {
      return "argument couldn't be parsed into an integer"
    }
    this.#values.set(name, value)
    return null
  }

  /** A timeout for more clients than there may be. */
  contradiction(): string | null {
    return Number(this.get('timeout')) > Number(this.get('maxclients'))
      ? 'timeout: more than maxclients'
      : null
  }

  get requirePass(): string {
    return this.get('requirepass') ?? ''
  }

  get enableDebugCommand(): boolean {
    return this.get('enable-debug-command') === 'yes'
  }

  get protoMaxBulkLenBytes(): number {
    return 512 * 1024 * 1024
  }

  readonly maxClockDriftMs = 500

  get port(): number {
    return Number(this.get('port'))
  }
}

export class FakeSession implements Session {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress = '127.0.0.1'
  readonly localPort = 7001
  readonly connectedAtMs: number
  lastRequestAtMs: number
  lastCommand = ''
  name = ''
  libraryName = ''
  libraryVersion = ''
  protocol = 2
  authenticated = true
  replyMode: Session['replyMode'] = 'on'
  noEvict = false
  noTouch = false
  listener: Listener = 'plain'
  readsFromReplicas = false
  readLevel: SessionLevel = LEVEL_DEFAULT
  writeLevel: SessionLevel = LEVEL_DEFAULT
  closing = false
  transaction: Transaction | null = null
  expansion: Session['expansion'] = null
  queryBufferBytes = 0
  outputBufferBytes = 0
  killed = false

  constructor(id: number, nowMs: number, remoteAddress = '127.0.0.1') {
    this.id = id
    this.remoteAddress = remoteAddress
    this.remotePort = 50_000 + id
    this.connectedAtMs = nowMs
    this.lastRequestAtMs = nowMs
  }

  kill(): void {
    this.killed = true
  }
}

class FakeStats implements NodeStats {
  connectionsReceived = 3
  rejectedConnections = 0
  commandsProcessed = 7
  errorReplies = 0
  netInputBytes = 100
  netOutputBytes = 200
  keyspaceHits = 0
  keyspaceMisses = 0
  expiredKeys = 0
  instantaneousOpsPerSecond = 12.7
  instantaneousInputKbps = 1.5
  instantaneousOutputKbps = 2.25
  readonly byCommand = new Map<string, CommandStats>()
  readonly byError = new Map<string, number>()
  resets = 0

  reset(): void {
    this.resets++
  }

  /** Counts one call of a command. */
  count(name: string, microseconds: number): void {
    const fresh = {
      calls: 0,
      microseconds: 0,
      rejectedCalls: 0,
      failedCalls: 0,
      latency: new LatencyHistogram(),
    }
    const stats = this.byCommand.get(name) ?? fresh
    stats.calls++
    stats.microseconds += microseconds
    stats.latency.add(microseconds)
    this.byCommand.set(name, stats)
  }
}

class FakeSlowlog implements Slowlog {
  list: SlowlogEntry[] = []

  entries(count: number): readonly SlowlogEntry[] {
    return this.list.slice(0, count)
  }

  get length(): number {
    return this.list.length
  }

  reset(): void {
    this.list = []
  }
}

export class FakeNode implements NodeServices {
  readonly clock = new ManualClock()
  readonly logins = new LoginBrake()
  readonly random = { next53: () => 4, below: () => 0 }
  readonly settings: FakeSettings
  readonly stats = new FakeStats()
  readonly slowlog = new FakeSlowlog()
  readonly runId = 'ab'.repeat(20)
  readonly startedAtMs = this.clock.wallMs()
  readonly processId = 4711
  readonly version = '0.1.0'
  readonly operatingSystem = 'Linux 6.1.0 x64'
  configFile = ''
  cluster: ClusterView | null = null
  clusterKeyspace: ClusterKeyspace | null = null
  readonly sessions: FakeSession[] = []
  stopped = 0
  engine: EngineFacts = {
    appendfsync: 'always',
    lastWriteStatus: 'ok',
    logBytes: 1000,
    logPendingBytes: 10,
    tableBytes: 5000,
    memtableBytes: 2048,
    blockCacheBytes: 1024,
    keys: 5,
    expiringKeys: 2,
    storageLines: [['storage_tables', 3]],
  }

  readonly snapshots = new FakeSnapshots()

  constructor(settings: Readonly<Record<string, string>> = {}) {
    this.settings = new FakeSettings(settings)
  }

  /** A further connection. */
  connect(remoteAddress?: string): FakeSession {
    const session = new FakeSession(this.sessions.length + 1, this.clock.monotonicMs(), remoteAddress)
    session.authenticated = this.settings.requirePass === ''
    this.sessions.push(session)
    return session
  }

  clients(): Iterable<Session> {
    return this.sessions.filter((session) => !session.killed)
  }

  clientCount(): number {
    return this.sessions.filter((session) => !session.killed).length
  }

  /** What KV.COMPACT has asked for. */
  readonly wanted: CompactionScope[] = []
  readonly compaction = {
    facts: (): CompactionFacts => ({ byFamily: {}, byReason: { garbage: 2 }, running: null, wanted: null }),
    want: (scope: CompactionScope) => void this.wanted.push(scope),
  }

  engineFacts(): EngineFacts {
    return this.engine
  }

  shutdown(): void {
    this.stopped++
  }

  memory() {
    return {
      residentBytes: 50 * 1024 * 1024,
      peakResidentBytes: 64 * 1024 * 1024,
      heapUsedBytes: 8 * 1024 * 1024,
      heapTotalBytes: 16 * 1024 * 1024,
      externalBytes: 2 * 1024 * 1024,
      systemTotalBytes: 4 * 1024 * 1024 * 1024,
    }
  }

  cpu() {
    return { userSeconds: 1.5, systemSeconds: 0.25 }
  }
}

/** Snapshots that end when a test says so. */
export class FakeSnapshots implements Snapshots {
  /** Of each that was begun; undefined for one without. */
  readonly names: (string | undefined)[] = []
  readonly prepared: string[] = []
  #end: ((error: Error | null) => void) | null = null

  facts(): SaveFacts {
    return {
      changesSince: 7,
      isSaving: this.#end !== null,
      lastUnixSeconds: 1_799_999_000,
      lastError: '',
      lastSeconds: 2,
      currentSeconds: -1,
      count: 1,
      lastBytes: 5000,
    }
  }

  /** The one that is being made is whole, or failed. */
  end(error: Error | null = null): void {
    this.#end?.(error)
    this.#end = null
  }

  take(name?: string): Promise<string> | null {
    if (this.#end !== null) return null
    this.names.push(name)
    return new Promise((resolve, reject) => {
      this.#end = (error) => (error === null ? resolve('/data/snapshots/one') : reject(error))
    })
  }

  prepare(name: string): Promise<void> | null {
    if (this.#end !== null) return null
    this.prepared.push(name)
    return Promise.resolve()
  }

  list(): readonly string[] {
    return ['one', 'two']
  }
}

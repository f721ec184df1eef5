/**
 * The composition root: builds one node from a configuration and an environment, in the order in which the parts stand on
 * each other, and takes it apart again in the reverse order. Nothing else knows all the parts.
 */
import { createRegistry } from '../commands/all-handlers.js'
import { remoteAddress } from '../commands/client-line.js'
import { LoginBrake } from '../commands/login-brake.js'
import type { EngineFacts, NodeServices } from '../commands/node-services.js'
import { KeyPolicies } from '../coordinator/key-policies.js'
import { LocalKeyspace } from '../coordinator/local-keyspace.js'
import { OperationTable } from '../coordinator/operation.js'
import { hlcToWallMs } from '../record/hlc.js'
import { exportFallbacks } from '../repair/fallback-export.js'
import type { HandoffStore } from '../repair/handoff-store.js'
import { REPAIR_NAME } from '../repair/repair-state.js'
import { authenticatedLimits } from '../resp/limits.js'
import type { Ring } from '../ring/ring.js'
import { Dispatcher } from '../server/dispatcher.js'
import { KeyedRequests } from '../server/keyed-requests.js'
import { PeerCommands } from '../server/peer-commands.js'
import { Server } from '../server/server.js'
import type { ScrubFacts } from '../storage/scrub.js'
import { pathOf } from '../storage/file-names.js'
import { Manifest } from '../storage/manifest.js'
import { isLackOfSpace } from '../storage/disk-space.js'
import { Store, WRITE_LATER } from '../storage/store.js'
import type { StoreFacts } from '../storage/store.js'
import { ClusterPart } from './cluster-part.js'
import { compactionLines } from './compaction-lines.js'
import { MEMBERS_NAME } from './member-list-file.js'
import { openMemberList } from './member-list.js'
import type { ClusterConfig, NodeConfig } from './node-config.js'
import { directoryIdOf } from './peer-state.js'
import type { NodeEnv, RunningNode } from './running-node.js'
import { clientsWithin } from './open-files.js'
import { scrubSettings, storeOptions } from './storage-settings.js'
import { SnapshotPart } from './snapshot-part.js'
import { tableLines, warnOfCompression } from './table-lines.js'
import { NodeSettings } from './runtime-settings.js'
import { SlowlogRing } from './slowlog.js'
import { NodeCounters, SAMPLE_INTERVAL_MS } from './stats.js'

export const VERSION = '0.1.0'

/** See StartNode in running-node.ts. */
export async function startNode(config: NodeConfig, env: NodeEnv): Promise<RunningNode> {
  const node = new Node(config, env)
  await node.start()
  return node
}

class Node implements RunningNode {
  readonly done: Promise<void>
  readonly #env: NodeEnv
  readonly #settings: NodeSettings
  readonly #counters = new NodeCounters()
  readonly #registry = createRegistry((name) => this.#counters.command(name))
  readonly #slowlog: SlowlogRing
  readonly #server: Server
  readonly #startedAtMs: number
  #store!: Store
  #keyspace!: LocalKeyspace
  #dispatcher!: Dispatcher
  #snapshots!: SnapshotPart
  readonly #operations = new OperationTable()
  /** What is held for others; null on a node that is alone. */
  #handoffs: HandoffStore | null = null
  /** Null on a node that is alone. */
  #cluster: ClusterPart | null = null
  #port = 0
  /** How far ahead of the wall clock the newest stamp of the data directory lay at the start. */
  #recoveredAheadMs = 0
  #unlock: () => void = () => {}
  #stopping: Promise<void> | null = null
  #finish!: (died: Error | null) => void
  /** Why the node ends by itself. */
  #died: Error | null = null

  constructor(config: NodeConfig, env: NodeEnv) {
    this.#env = env
    this.#startedAtMs = env.clock.wallMs()
    this.#settings = new NodeSettings(config, (name, changed) => this.#settingChanged(name, changed))
    this.#slowlog = new SlowlogRing(this.#settings)
    this.#server = new Server(env.clock, env.network, () => this.#settings.current, this.#counters)
    this.done = new Promise((resolve, reject) => {
      this.#finish = (died) => (died === null ? resolve() : reject(died))
    })
    // Who has not asked how it ends need not know.
    this.done.catch(() => {})
  }

  get port(): number {
    return this.#port
  }

  async start(): Promise<void> {
    const { clock, random, disk, log } = this.#env
    const config = this.#settings.current
    this.#unlock = await this.#env.lockDirectory(config.dir)
    const jobs = this.#env.startJobs(config.storage.compactionRateBytesPerSecond)
    const began = clock.monotonicMs()
    let ring: Ring | null = null
    try {
      if (config.cluster !== null) ring = openMemberList(disk, log, config.dir, config.cluster)
      this.#store = await Store.open({ disk, clock, random, log, jobs }, storeOptions(config, ring), {
        onDurable: () => {
          this.#dispatcher?.durableAdvanced()
          this.#cluster?.durableAdvanced()
        },
        onRoom: () => {
          this.#dispatcher?.roomChanged()
          this.#cluster?.roomChanged()
        },
        onLogFailed: (error) => {
          this.#dispatcher?.logFailed(error)
          this.#cluster?.logFailed()
          this.#outOfService(error)
        },
        onReopened: () => this.#renewActor(),
        onGap: (gap) => this.#cluster?.damage?.note(gap),
      })
    } catch (error) {
      await jobs.close()
      this.#unlock()
      throw error
    }
    const { cutBytes, logBytes } = this.#store.loaded
    log.info('data loaded', {
      directory: config.dir,
      logBytes,
      bytesCut: cutBytes,
      tables: this.#store.facts().tables,
      milliseconds: Math.round(clock.monotonicMs() - began),
    })
    if (cutBytes > 0) log.warn('an unfinished write was cut off the end of the log', { bytesCut: cutBytes })
    const { tableCompression: tables, tableCompressionDeepest: deepest } = config.storage
    warnOfCompression(log, { tables, deepest })
    this.#lookAtStamps()
    this.#keyspace = new LocalKeyspace(this.#store, clock, random, this.#env.readsEagerly ?? true)
    try {
      if (config.cluster !== null && ring !== null) {
        this.#cluster = this.#clusterPart(config, config.cluster, ring)
      }
      this.#snapshots = this.#snapshotPart(config, ring)
      this.#dispatcher = this.#buildDispatcher()
      if (this.#cluster !== null) await this.#joinCluster(this.#cluster, config)
      this.#port = await this.#server.listen(config.bind, config.port, this.#dispatcher)
    } catch (error) {
      await this.#server.stopListening()
      await this.#cluster?.stop()
      await this.#store.close()
      this.#unlock()
      throw error
    }
    this.#settings.listensOn(this.#port)
    this.#limitClients()
    this.#snapshots.start()
    this.#sample()
    log.info('serving', { port: this.#port, appendfsync: config.appendFsync })
  }

  #renewActor(): void {
    const before = this.#keyspace.actor
    this.#keyspace.renewActor()
    this.#cluster?.handoffs.actorRenewed(before)
  }

  /** RULES C2: stamps that were minted under a clock that went ahead; a key that holds one cannot be written in a cluster. */
  #lookAtStamps(): void {
    const aheadMs = hlcToWallMs(this.#store.loaded.maxHlc) - this.#env.clock.wallMs()
    this.#recoveredAheadMs = Math.max(0, aheadMs)
    if (aheadMs <= 2 * this.#settings.maxClockDriftMs) return
    const repair = `stop the node, then: kindred restamp ${this.#settings.current.dir}`
    this.#env.log.warn('the data directory holds stamps from the future', { aheadMs, repair })
  }

  #clusterPart(config: NodeConfig, cluster: ClusterConfig, ring: Ring): ClusterPart {
    this.#handoffs = this.#env.openHandoffs(config.dir)
    return new ClusterPart({
      env: this.#env,
      store: this.#store,
      keyspace: this.#keyspace,
      operations: this.#operations,
      policies: new KeyPolicies(cluster.policies),
      ring,
      settings: () => this.#settings.current.cluster ?? cluster,
      handoffs: this.#handoffs,
      secret: config.clusterSecret,
      directoryId: directoryIdOf(this.#env.disk, config.dir),
      announceAddress: config.announceAddress,
      directory: config.dir,
    })
  }

  #snapshotPart({ dir, storage, cluster }: NodeConfig, ring: Ring | null): SnapshotPart {
    const { clock, disk, log } = this.#env
    const { snapshotDir } = storage
    const origin = {
      node: cluster?.self.name ?? '',
      nodeId: cluster?.self.id ?? '',
      ringVersion: ring?.version ?? '',
      replicas: ring?.replicas ?? 1,
    }
    const world = {
      clock,
      disk,
      log,
      store: this.#store,
      folder: snapshotDir.startsWith('/') ? snapshotDir : pathOf(dir, snapshotDir),
      besides: [MEMBERS_NAME, REPAIR_NAME],
      origin: () => origin,
      savePoints: () => this.#settings.current.savePoints,
      keep: () => this.#settings.current.storage.snapshotKeep,
      exportHeld: async (directory: string) => {
        const handoffs = this.#handoffs
        if (handoffs !== null) await exportFallbacks(disk, clock, handoffs, directory)
      },
    }
    return new SnapshotPart(world, Manifest.load(disk, dir)?.directoryId ?? 0)
  }

  /** Takes requests for keys through the cluster, opens the ports of peers and of cluster clients. */
  async #joinCluster(cluster: ClusterPart, config: NodeConfig): Promise<void> {
    const registry = this.#registry
    const { clock } = this.#env
    const { coordinator } = cluster
    let keyed!: KeyedRequests
    this.#dispatcher.useCluster((writer, request) => {
      keyed = new KeyedRequests({
        clock,
        coordinator,
        keyspace: this.#keyspace,
        registry,
        writer,
        request,
        policies: cluster.policies,
        settings: () => cluster.config,
        clockInDoubt: () => cluster.inDoubt,
        smartAddress: (member) => cluster.seen.smartAddress(member),
        admits: (bytes) => this.#store.admit(bytes) !== WRITE_LATER,
        unexpected: (error) => this.#unexpected(error),
      })
      return keyed
    })
    coordinator.start(keyed)
    const commands = new PeerCommands({
      clock,
      coordinator,
      registry,
      keyed,
      store: this.#store,
      local: (args) => cluster.answers.answer(args),
    })
    await cluster.start(config.bind[0], config.clusterPort, commands)
    await this.#server.listen(config.bind, config.smartPort, this.#dispatcher, 'smart')
  }

  #limitClients(): void {
    const openFilesMax = this.#env.process.openFilesMax()
    if (openFilesMax === null) return
    const maxClients = clientsWithin(openFilesMax, this.#store.facts().tables)
    if (!this.#settings.limitClients(maxClients)) return
    this.#env.log.warn('maxclients lowered: the limit of open files is too small', {
      openFilesMax,
      maxClients,
    })
  }

  /** RULES W3: only a restart, which reads back what the disk has, brings the log into use again; of a full disk the store sees the end. */
  #outOfService(error: Error): void {
    if (isLackOfSpace(error)) return
    const { commitFailurePolicy: policy } = this.#settings.current
    const what = policy === 'die' ? 'the node ends' : 'the node writes nothing until it is started again'
    this.#env.log.error(`out of service: ${what}`, { policy, error: error.message })
    if (policy !== 'die') return
    this.#died = new Error(`the log could not be written, and commit-failure-policy is die: ${error.message}`)
    void this.stop()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#env.log.info('stopping')
    await this.#server.stopListening()
    await this.#snapshots.stop()
    await this.#cluster?.stop()
    this.#dispatcher.stop()
    await this.#closeStore()
    this.#server.closeConnections()
    this.#unlock()
    this.#env.log.info('stopped')
    this.#finish(this.#died)
  }

  /** What the log has yet to write is written and its replies leave; a disk that hangs does not hang the stop for ever. */
  #closeStore(): Promise<void> {
    const { clock, log } = this.#env
    return new Promise((resolve) => {
      const seconds = this.#settings.current.shutdownTimeoutSeconds
      const timer = clock.after(seconds * 1000, () => {
        log.error('the log was not closed within shutdown-timeout', { seconds })
        resolve()
      })
      this.#store.close().then(
        () => {
          timer.cancel()
          resolve()
        },
        (error: unknown) => {
          timer.cancel()
          log.error('the store was not closed in order', { error: String(error) })
          resolve()
        },
      )
    })
  }

  #buildDispatcher(): Dispatcher {
    const counters = this.#counters
    return new Dispatcher({
      clock: this.#env.clock,
      registry: this.#registry,
      operations: this.#operations,
      keyspace: this.#keyspace,
      store: this.#store,
      services: this.#services(),
      settings: {
        limits: this.#limits(),
        asksForPassword: () => this.#settings.requirePass !== '',
        outputHardLimitBytes: () => this.#settings.current.outputLimit.hardBytes,
        slowerThanMs: () => this.#slowlog.slowerThanMs,
      },
      stats: counters,
      slow: (request, session, microseconds) => {
        if (!this.#slowlog.isSlow(microseconds)) return
        this.#slowlog.record({
          bytes: request.bytes,
          offsets: request.offsets,
          argc: request.argc,
          microseconds,
          atUnixSeconds: Math.floor(this.#env.clock.wallMs() / 1000),
          clientAddress: remoteAddress(session),
          clientName: session.name,
        })
      },
      unexpected: (error) => this.#unexpected(error),
      onClosed: (connection) => this.#server.forget(connection),
    })
  }

  #unexpected(error: unknown): void {
    this.#env.log.error('a command failed in a way that it should not', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  }

  /** The same object as long as the settings do not change: it is asked for with every request. */
  #limits(): () => ReturnType<typeof authenticatedLimits> {
    let from: NodeConfig | null = null
    let limits = authenticatedLimits()
    return () => {
      const config = this.#settings.current
      if (config !== from) {
        from = config
        limits = {
          ...authenticatedLimits(config.protoMaxBulkLenBytes),
          queryBufferBytesMax: config.queryBufferLimitBytes,
        }
      }
      return limits
    }
  }

  #services(): NodeServices {
    const { clock, random, process } = this.#env
    return {
      clock,
      random,
      settings: this.#settings,
      cluster: this.#cluster?.seen ?? null,
      clusterKeyspace: this.#cluster?.keyspace ?? null,
      clients: () => this.#server.connections(),
      clientCount: () => this.#server.count,
      stats: this.#counters,
      slowlog: this.#slowlog,
      logins: new LoginBrake(),
      engineFacts: () => this.#engineFacts(),
      snapshots: this.#snapshots,
      compaction: {
        facts: () => this.#store.facts().compaction,
        want: (scope) => this.#store.compact(scope),
      },
      shutdown: () => void this.stop(),
      runId: runId(random.next53(), random.next53(), random.next53(), random.next53()),
      startedAtMs: this.#startedAtMs,
      processId: process.processId,
      version: VERSION,
      operatingSystem: process.operatingSystem,
      configFile: this.#settings.current.configFile,
      memory: () => process.memory(),
      cpu: () => process.cpu(),
    }
  }

  #engineFacts(): EngineFacts {
    const facts = this.#store.facts()
    this.#counters.expiredKeys = this.#store.counts.expired
    return {
      appendfsync: facts.appendfsync,
      lastWriteStatus: facts.logFailure === null && !facts.diskIsFull ? 'ok' : 'err',
      logBytes: facts.logBytes,
      logPendingBytes: facts.logPendingBytes,
      tableBytes: facts.tableBytes,
      memtableBytes: facts.memtableBytes,
      blockCacheBytes: facts.cacheBytes,
      keys: this.#keyspace.count(),
      expiringKeys: this.#keyspace.countExpiring(),
      storageLines: [
        ['storage_sequence', facts.sequence],
        ['storage_segments', facts.segments],
        ['storage_retained_bytes', facts.retainedBytes],
        ['storage_tables', facts.tables],
        ['storage_tables_by_level', facts.tablesByLevel.join(',')],
        ...tableLines(facts),
        ['storage_flushing', facts.flushing ? 1 : 0],
        ['storage_last_flush_unix_time', Math.floor(facts.lastFlushAtMs / 1000)],
        ['storage_flushes', facts.flushes],
        ['storage_flushed_bytes', facts.flushedBytes],
        ['storage_compacting', facts.compacting ? 1 : 0],
        ['storage_compactions', facts.compactions],
        ['storage_compaction_read_bytes', facts.compactionReadBytes],
        ['storage_compaction_written_bytes', facts.compactionWrittenBytes],
        ...compactionLines(facts),
        ...windowLines(facts),
        ['storage_filter_probes', facts.filterProbes],
        ['storage_filter_probes_per_get', (facts.filterProbes / Math.max(1, facts.tableLookups)).toFixed(2)],
        ['storage_write_delay_ms', facts.writeDelayMs],
        ['storage_write_delay_max_ms', this.#settings.current.storage.writeStallDelayMaxMs],
        ['storage_write_delays', facts.stalls.delays],
        ['storage_write_delayed_ms', facts.stalls.delayedMs],
        ['storage_write_waits', facts.stalls.waits],
        ['storage_write_waited_ms', facts.stalls.waitedMs],
        ['storage_disk_full', facts.diskIsFull ? 1 : 0],
        ['storage_log_failure', facts.logFailure ?? ''],
        ['storage_last_job_error', facts.lastJobError],
        ...damageLines(facts),
        ['storage_recovered_log_bytes', this.#store.loaded.logBytes],
        ['storage_recovery_cut_bytes', this.#store.loaded.cutBytes],
        ['storage_recovered_stamps_ahead_ms', this.#recoveredAheadMs],
      ],
    }
  }

  #settingChanged(name: string, config: NodeConfig): void {
    if (name === 'loglevel') this.#env.setLogLevel?.(config.logLevel)
    if (name === 'appendfsync') this.#store.setAppendfsync(config.appendFsync)
    if (name === 'compaction-rate') {
      this.#store.setCompactionRate(config.storage.compactionRateBytesPerSecond)
    }
    if (name === 'scrub-rate' || name === 'scrub-interval') this.#store.setScrub(scrubSettings(config))
  }

  #sample(): void {
    if (this.#stopping !== null) return
    this.#counters.sample(this.#env.clock.monotonicMs())
    this.#env.clock.after(SAMPLE_INTERVAL_MS, () => this.#sample())
  }
}

function windowLines(facts: StoreFacts): (readonly [string, string | number])[] {
  const { windows } = facts
  const due = windows.filter(({ hold }) => hold !== 'open')
  return [
    ['storage_windows', windows.length],
    ['storage_window_bytes', windows.reduce((sum, { bytes }) => sum + bytes, 0)],
    ['storage_windows_due', due.length],
    ['storage_windows_held', due.map(({ hold }) => hold).filter((hold) => hold !== null).length],
    ['storage_windows_dropped', facts.windowsDropped],
    ['storage_window_bytes_dropped', facts.windowBytesDropped],
    ['storage_local_tombstones', facts.localTombstones],
  ]
}

function damageLines({ damage, scrub }: StoreFacts): (readonly [string, string | number])[] {
  return [
    ['storage_damage_found', damage.damageFound],
    ['storage_last_damage', damage.lastDamage],
    ['storage_quarantined_files', damage.quarantinedFiles],
    ['storage_gaps', damage.gaps],
    ['storage_scrub', scrubText(scrub)],
    ['storage_scrub_running', scrub.isRunning ? 1 : 0],
    ['storage_scrub_done_bytes', scrub.doneBytes],
    ['storage_scrub_total_bytes', scrub.totalBytes],
    ['storage_scrub_last_unix_time', Math.floor(scrub.endedAtMs / 1000)],
    ['storage_scrub_damaged', scrub.found],
  ]
}

function scrubText({ isRunning, doneBytes, totalBytes, endedAtMs, found }: ScrubFacts): string {
  const before =
    endedAtMs === 0 ? 'no run has ended yet' : `last run ended ${new Date(endedAtMs).toISOString()}`
  const now = isRunning ? `${Math.floor((100 * doneBytes) / Math.max(1, totalBytes))} % of a run, ` : ''
  return `${now}${before}, ${found} damaged places in it`
}

/** 40 hexadecimal digits, as Redis's run_id. */
function runId(...words: readonly number[]): string {
  return words.map((word) => word.toString(16).padStart(14, '0').slice(-10)).join('')
}

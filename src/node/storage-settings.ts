/** What a node's settings, and its place in a cluster, mean for its store. */
import type { Ring } from '../ring/ring.js'
import { COMPACTION_DEFAULTS } from '../storage/compaction/compaction-options.js'
import type { AppendFsync } from '../storage/log/log-writer.js'
import type { Partitions } from '../storage/partitions.js'
import type { ScrubSettings } from '../storage/scrub.js'
import type { StoreOptions } from '../storage/store-options.js'
import { prefixFamilies } from './compaction-policies.js'
import type { NodeConfig } from './node-config.js'
import { parseWindowTiers } from './window-tiers-text.js'

/** Of a node that is alone, as tombstone-grace is of a member (RULES T5). */
const CLOCK_GRACE_MS = 4 * 3600_000

/** `ring`: null on a node that is alone. */
export function storeOptions(config: NodeConfig, ring: Ring | null): StoreOptions {
  const { storage } = config
  const appendfsync: AppendFsync = config.appendFsync
  return {
    directory: config.dir,
    appendfsync,
    segmentBytes: storage.segmentSizeBytes,
    segmentsMax: storage.segmentsMax,
    blockCacheBytes: storage.blockCacheSizeBytes,
    tableTargetBytes: storage.tableSizeBytes,
    compression: { tables: storage.tableCompression, deepest: storage.tableCompressionDeepest },
    compaction: {
      ...COMPACTION_DEFAULTS,
      l0Trigger: storage.level0CompactionTables,
      levelBaseBytes: storage.levelBaseSizeBytes,
      levelMultiplier: storage.levelSizeMultiplier,
    },
    families: {
      windowTiers: parseWindowTiers(storage.windowTiers) ?? [],
      prefixes: prefixFamilies(storage.policies),
    },
    clockGraceMs: config.cluster?.tombstoneGraceMs ?? CLOCK_GRACE_MS,
    compactionBytesPerSecond: storage.compactionRateBytesPerSecond,
    slowdownDepth: storage.level0SlowdownTables,
    stopDepth: storage.level0StopTables,
    writeDelayMaxMs: storage.writeStallDelayMaxMs,
    diskReserveBytes: storage.diskReserveBytes,
    syncsOnEventLoop: true,
    scrub: scrubSettings(config),
    ...(ring === null ? {} : settingsOf(ring)),
  }
}

/** With replicas elsewhere nothing dead goes by itself, trees tell what they hold, and they have what is damaged here. */
function settingsOf(ring: Ring): Pick<StoreOptions, 'partitions' | 'keepsDead' | 'keepsTrees' | 'onDamage'> {
  const hasReplicas = ring.members.length > 1
  return {
    partitions: partitionsOf(ring),
    keepsDead: hasReplicas,
    keepsTrees: hasReplicas,
    onDamage: ring.replicas > 1 ? 'quarantine' : 'refuse',
  }
}

export function scrubSettings({ storage }: NodeConfig): ScrubSettings {
  return {
    bytesPerSecond: storage.scrubRateBytesPerSecond,
    intervalMs: storage.scrubIntervalSeconds * 1000,
  }
}

/** Keys are counted by range of the ring: the slots of one have always one home. */
function partitionsOf(ring: Ring): Partitions {
  return { version: ring.version, ofSlot: ring.rangeOfSlot, count: ring.rangeCount }
}

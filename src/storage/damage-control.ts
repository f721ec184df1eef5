/**
 * What the running store does about tables whose bytes are not what was written, whoever has noticed it: a lookup, a merge, the
 * warming of the cache, the scrub. The bytes themselves have been refused where they were read.
 *
 *     only copy    the table stays: what is sound of it is served, what is not is an error. No compaction takes it, or the damage
 *                  would end in a new table, or hold up all others for ever
 *     one of many  at once nothing is known any more of the block's tokens (gap.ts). Then, in a compaction's turn, what is
 *                  sound is copied into new tables, and one edit of the manifest takes them in, and the damaged one, whole, out
 *
 * Rejected: taking out the whole table and no more. A table of level 0 spans all tokens: one flipped bit would have everything that
 * is older come from other nodes anew.
 */
import { CorruptionError } from './corruption-error.js'
import { diskErrorCode } from './disk-error.js'
import { tableFileName } from './file-names.js'
import type { Gap } from './gap.js'
import { isSameGap } from './gap.js'
import { fileNumbersFor } from './jobs/storage-jobs.js'
import type { SalvageResult, TokenInterval } from './jobs/storage-jobs.js'
import type { LiveFiles } from './live-files.js'
import type { ManifestTable } from './manifest.js'
import { mayLose } from './store-options.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import type { LiveTable } from './table-set.js'
import type { Table } from './table/table.js'

/** More gaps of one table than this become one: the manifest stays small. */
const GAPS_PER_TABLE_MAX = 16
/** Places of which it is remembered that they have been reported. */
const REPORTED_MAX = 10_000

export interface DamageFacts {
  /** Blocks and files found damaged since the start. */
  readonly damageFound: number
  readonly lastDamage: string
  /** Now in the folder quarantine. */
  readonly quarantinedFiles: number
  /** What files taken out have left unknown and nobody has filled yet. */
  readonly gaps: number
}

export interface DamageHost {
  /** Nothing is known any more of what the gap spans. */
  onGap(gap: Gap): void
  /** The table must be left alone by compactions. */
  setAside(table: ManifestTable): void
  /** There is work for a compaction's turn. */
  onDue(): void
}

export class DamageControl {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #files: LiveFiles
  readonly #host: DamageHost
  /** Tables to take out, with the gaps that are known of. */
  readonly #due = new Map<Table, Gap[]>()
  readonly #reported = new Set<string>()
  #found = 0
  #last = ''
  #isStopped = false

  constructor(env: StoreEnv, options: StoreOptions, files: LiveFiles, host: DamageHost) {
    this.#env = env
    this.#options = options
    this.#files = files
    this.#host = host
  }

  get facts(): DamageFacts {
    return {
      damageFound: this.#found,
      lastDamage: this.#last,
      quarantinedFiles: this.#files.quarantinedFiles,
      gaps: this.gaps.length,
    }
  }

  /** Gaps of the manifest, and those that will be there. */
  get gaps(): readonly Gap[] {
    return [...this.#files.state.gaps, ...[...this.#due.values()].flat()]
  }

  get isDue(): boolean {
    return this.#due.size > 0
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Bytes of an open table are not what was written. */
  note(table: Table, error: CorruptionError): void {
    const place = `${error.file} ${error.offset}`
    if (this.#reported.has(place)) return
    if (this.#reported.size < REPORTED_MAX) this.#reported.add(place)
    this.#found++
    this.#last = error.message
    const live = this.#files.tables.all.find((one) => one.table === table)
    if (live === undefined) return
    const block = table.index.blockAt(error.offset)
    const tokens = block === -1 ? table.summary : table.index.tokensOf(block, table.summary.maxToken)
    const { minToken, maxToken } = tokens
    this.#env.log.error('damage found', { error: error.message, minToken, maxToken })
    this.#host.setAside(live.facts)
    if (!mayLose(this.#options, tableFileName(live.facts.fileNumber))) return
    this.#announce(table, { minToken, maxToken })
    this.#host.onDue()
  }

  /** Takes the next damaged table out: work for a compaction's turn. Rejects as jobs and manifest edits do; then it is due again. */
  async takeOut(): Promise<void> {
    const next = this.#due.entries().next().value
    if (next === undefined) return
    const [table, known] = next
    const live = this.#files.tables.all.find((one) => one.table === table)
    if (live === undefined) {
      // A merge that was running has read all of it: what it met was sound, but then somebody else's eyes were not.
      await this.#files.record({ addGaps: known }, {})
      this.#due.delete(table)
      return
    }
    const { tables, missing } = await this.#salvage(live)
    if (this.#isStopped) return
    for (const tokens of missing) this.#announce(table, tokens)
    const { level, family, windowStartMs, windowEndMs } = live.facts
    const place = { level, family, windowStartMs, windowEndMs }
    const added = this.#files.openAll(tables.map((table) => ({ ...table, ...place })))
    const gaps = merged(known)
    const removeTables = [live.facts.fileNumber]
    // How many keys there were in what is missing nobody knows: the next start counts all of them anew.
    this.#files.forgetCounts()
    await this.#files.record({ removeTables, addGaps: gaps, countsFile: 0 }, { added, quarantined: [live] })
    this.#due.delete(table)
    const file = tableFileName(live.facts.fileNumber)
    this.#env.log.warn('damaged table taken out', {
      file,
      gaps: gaps.length,
      entries: live.facts.entryCount,
      kept: added.reduce((sum, { facts }) => sum + facts.entryCount, 0),
    })
  }

  async #salvage({ facts }: LiveTable): Promise<SalvageResult> {
    const { directory, tableTargetBytes } = this.#options
    const count = fileNumbersFor(facts.sizeBytes, tableTargetBytes)
    const first = this.#files.takeNumbers(count)
    try {
      return await this.#env.jobs.salvage({
        directory,
        table: facts,
        fileNumbers: { first, count },
        targetBytes: tableTargetBytes,
        compression: this.#options.compression?.tables ?? 'none',
      })
    } catch (error) {
      // Nothing of it can be read when its frame cannot.
      if (!(error instanceof CorruptionError) && diskErrorCode(error) !== 'EIO') throw error
      return { tables: [], missing: [facts] }
    }
  }

  #announce(table: Table, { minToken, maxToken }: TokenInterval): void {
    const { fileNumber, maxSequence, maxHlc } = table.summary
    const file = tableFileName(fileNumber)
    const gap: Gap = { file, minToken, maxToken, floorSequence: maxSequence, maxHlc, entryCount: 0 }
    const known = this.#due.get(table) ?? []
    this.#due.set(table, known)
    if (known.some((one) => isSameGap(one, gap))) return
    known.push(gap)
    this.#host.onGap(gap)
  }
}

/** Many gaps become one that spans them all. */
function merged(gaps: readonly Gap[]): readonly Gap[] {
  if (gaps.length <= GAPS_PER_TABLE_MAX) return gaps
  const minToken = Math.min(...gaps.map((gap) => gap.minToken))
  const maxToken = Math.max(...gaps.map((gap) => gap.maxToken))
  return [{ ...gaps[0], minToken, maxToken }]
}

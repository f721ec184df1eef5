/**
 * What a start does about files that are damaged or gone. A node that has the only copy of its data refuses, and says which file,
 * where, and what can be done. One whose data others hold, too, takes the file out and goes on with gaps (gap.ts), which the
 * others fill; so does one that was told to give up this very file (kindred repair).
 *
 * What is missing of a log is not known: it may have been any key, so its gap is all tokens. How far its sequences went is
 * told by the log behind it; of the last log it is only known that an entry takes more than a byte.
 */
import type { Log } from '../env/log.js'
import { TOKEN_END } from '../ring/token.js'
import type { CorruptionError } from './corruption-error.js'
import { tableFileName } from './file-names.js'
import type { Gap } from './gap.js'
import type { ManifestTable } from './manifest.js'
import { mayLose } from './store-options.js'
import type { StoreOptions } from './store-options.js'

/** What is wrong with one file, or one block of it. */
export interface Finding {
  /** Of the file that is damaged or missing. */
  readonly name: string
  readonly error: CorruptionError
  /** What the damaged part is about, both inclusive. */
  readonly minToken: number
  readonly maxToken: number
  /** Entries of the whole file, or what is missing of a log at most; not all of them need be lost. */
  readonly entriesMax: number
}

interface LostLog {
  readonly name: string
  /** At most so many entries are missing. */
  readonly entriesMax: number
}

export class StartDamage {
  readonly gaps: Gap[] = []
  readonly findings: Finding[] = []
  readonly lostTables: number[] = []
  /** Blocks that were found damaged; their tables are open. */
  readonly blocks: CorruptionError[] = []
  readonly #options: StoreOptions
  readonly #log: Log
  /** Logs whose end is not known yet. */
  #logs: LostLog[] = []

  constructor(options: StoreOptions, log: Log) {
    this.#options = options
    this.#log = log
  }

  /** Whether the start goes on without the file of this name. */
  mayLose(name: string): boolean {
    return mayLose(this.#options, name)
  }

  lostTable(
    { fileNumber, minToken, maxToken, maxSequence, maxHlc, entryCount }: ManifestTable,
    error: CorruptionError,
  ): void {
    this.lostTables.push(fileNumber)
    const file = tableFileName(fileNumber)
    this.findings.push({ name: file, error, minToken, maxToken, entriesMax: entryCount })
    this.#log.error('a damaged table is taken out', { error: error.message, entries: entryCount })
    this.gaps.push({ file, minToken, maxToken, floorSequence: maxSequence, maxHlc, entryCount })
  }

  /** Of the log of this name everything, or everything from some point on, is missing. */
  lostLog(name: string, entriesMax: number, error: CorruptionError): void {
    this.#logs.push({ name, entriesMax })
    this.findings.push({ name, error, minToken: 0, maxToken: TOKEN_END - 1, entriesMax })
    this.#log.error('a damaged log is taken out, or cut off where it cannot be read', {
      error: error.message,
    })
  }

  /** A younger log begins with this sequence. */
  logBegins(firstSequence: number): void {
    for (const { name } of this.#logs) this.#lostUpTo(name, firstSequence - 1)
    this.#logs = []
  }

  /** There are no younger logs, and this is the highest sequence that is known. Answers the highest that may have been given out. */
  logsEnd(sequence: number): number {
    let highest = sequence
    for (const { entriesMax } of this.#logs) highest += entriesMax
    for (const { name } of this.#logs) this.#lostUpTo(name, highest)
    this.#logs = []
    return highest
  }

  #lostUpTo(file: string, floorSequence: number): void {
    this.gaps.push({ file, minToken: 0, maxToken: TOKEN_END - 1, floorSequence, maxHlc: 0, entryCount: 0 })
  }
}

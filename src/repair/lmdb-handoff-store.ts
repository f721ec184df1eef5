/**
 * The handoff store in LMDB: one file beside the log, memory-mapped, read in this thread and written by LMDB's own. Why LMDB: what is
 * held for others comes and goes in any order, needs no compaction of ours, and must not depend on the storage engine that
 * it is there to make good.
 *
 * What it asks of its user (RULES, and tried): values over shared memory are stored as garbage and can crash the process, so
 * everything that comes here is a private copy on the heap. LMDB acknowledges a put when it is committed, which a power cut may
 * undo: durable is what `flushed` says.
 *
 * A file that does not begin as LMDB's is moved aside before LMDB sees it, because an open that fails corrupts the heap of the
 * process. One that ends too early, or whose pages are damaged, may end the process when it is opened or read: so a byte is written
 * to a file beside it at each start, which goes when everything was read once, and when the third start in a row has ended in
 * between, the file is moved aside too. What it held is lost; a node that did not start for it would lose more. LMDB
 * has no checksums: the records have, and are checked by who reads them.
 */
import { open } from 'lmdb'
import type { RootDatabase } from 'lmdb'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import { readU32 } from '../util/bytes.js'
import type { HandoffEntry, HandoffStore, HandoffWrite } from './handoff-store.js'

const FILE_NAME = 'handoffs.lmdb'
/** A byte for each start that has not read the file to its end. Not synced: a power cut is no sign of damage. */
const STARTS_NAME = 'handoffs.starts'
/** One or two of them may have been killed for another reason. */
const STARTS_MAX = 3
/** Behind the head of the first page. */
const MAGIC_AT = 24
const MAGIC = 0xbeefc0de
/** What clients have written is nobody else's to read, here as in all other files. (The option is not in lmdb's types.) */
const OWNER_ONLY = { permissionsMode: 0o600 }

export class LmdbHandoffStore implements HandoffStore {
  readonly #database: RootDatabase<Buffer, Buffer>
  readonly #starts: StartCount

  private constructor(database: RootDatabase<Buffer, Buffer>, starts: StartCount) {
    this.#database = database
    this.#starts = starts
  }

  /** Opens or makes the file in `directory`, which exists. Throws the disk's errors. */
  static open(directory: string, disk: Disk, log: Log): LmdbHandoffStore {
    const path = `${directory}/${FILE_NAME}`
    const starts = new StartCount(disk, `${directory}/${STARTS_NAME}`)
    if (disk.exists(path) && (!isLmdb(disk, path) || starts.count >= STARTS_MAX)) {
      log.error('hints and fallback copies cannot be read and are lost', { file: path })
      disk.rename(path, `${path}.damaged`)
      disk.syncDirectory(directory)
      starts.clear()
    }
    starts.add()
    const database = open<Buffer, Buffer>({
      path,
      encoding: 'binary',
      keyEncoding: 'binary',
      cache: false,
      ...OWNER_ONLY,
    })
    return new LmdbHandoffStore(database, starts)
  }

  apply(writes: readonly HandoffWrite[], done: (error: Error | null) => void): void {
    void this.#apply(writes).then(
      () => done(null),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    )
  }

  async #apply(writes: readonly HandoffWrite[]): Promise<void> {
    const database = this.#database
    await Promise.all(
      writes.map(({ key, value }) => (value === null ? database.remove(key) : database.put(key, value))),
    )
    await database.flushed
  }

  valueBytes(key: Buffer): number {
    return this.#database.getBinaryFast(key)?.length ?? -1
  }

  scan(from: Buffer, end: Buffer, entriesMax: number, bytesMax: number): readonly HandoffEntry[] {
    const entries: HandoffEntry[] = []
    let bytes = 0
    for (const { key, value } of this.#database.getRange({ start: from, end, limit: entriesMax })) {
      entries.push({ key: Buffer.from(key), value: Buffer.from(value) })
      bytes += value.length
      if (bytes >= bytesMax) break
    }
    return entries
  }

  wasRead(): void {
    this.#starts.clear()
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

/** How many starts in a row have ended before the file was read, as a file of so many bytes. */
class StartCount {
  readonly #disk: Disk
  readonly #path: string

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  get count(): number {
    if (!this.#disk.exists(this.#path)) return 0
    const file = this.#disk.open(this.#path, 'read')
    try {
      return this.#disk.sizeBytes(file)
    } finally {
      this.#disk.close(file)
    }
  }

  add(): void {
    const { count } = this
    const file = this.#disk.open(this.#path, 'create')
    try {
      this.#disk.writeSync(file, new Uint8Array(1), 0, 1, count)
    } finally {
      this.#disk.close(file)
    }
  }

  clear(): void {
    if (this.#disk.exists(this.#path)) this.#disk.unlink(this.#path)
  }
}

/** Whether the file is empty, as one that was just made, or begins with a page that LMDB has written. */
function isLmdb(disk: Disk, path: string): boolean {
  const file = disk.open(path, 'read')
  try {
    if (disk.sizeBytes(file) === 0) return true
    const head = new Uint8Array(MAGIC_AT + 4)
    const read = disk.readSync(file, head, 0, head.length, 0)
    return read === head.length && readU32(head, MAGIC_AT) === MAGIC
  } finally {
    disk.close(file)
  }
}

/**
 * A disk in memory that knows what is durable: bytes up to the last sync of their file, names up to the last sync of
 * their directory. It counts operations, can fail or "lose power" at the i-th one, and then says what a machine that
 * starts again would find, for every mixture of what was not durable.
 */
import type { Disk, DiskDone } from '../../../src/env/disk.js'

/** Thrown by every operation once the power is off; no error of a disk, so nothing may swallow it as one. */
export class PowerLoss extends Error {}

interface Inode {
  bytes: Buffer
  size: number
  /** What the last sync made durable. */
  synced: Buffer
}

type NameChange =
  | { readonly kind: 'set'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly path: string }

export class MemoryDisk implements Disk {
  /** Operations so far that change something or may fail. */
  operations = 0
  /** Called before the n-th operation (from 1) with its name; throws to make it fail. */
  onOperation: (operation: number, name: string) => void = () => {}
  /** Files that are open: a test may demand none. */
  get openFiles(): number {
    return this.#open.size
  }

  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #changes: NameChange[] = []
  readonly #open = new Map<number, Inode>()
  #nextFile = 3

  open(path: string, mode: 'read' | 'write' | 'create'): number {
    this.#operate('open')
    let inode = this.#names.get(path)
    if (inode === undefined) {
      if (mode !== 'create') throw diskError('ENOENT', path)
      inode = { bytes: Buffer.alloc(0), size: 0, synced: Buffer.alloc(0) }
      this.#change({ kind: 'set', path, inode })
    }
    this.#open.set(this.#nextFile, inode)
    return this.#nextFile++
  }

  close(file: number): void {
    this.#inode(file)
    this.#open.delete(file)
  }

  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number {
    this.#operate('read')
    const inode = this.#inode(file)
    const end = Math.min(inode.size, position + length)
    if (end <= position) return 0
    into.set(inode.bytes.subarray(position, end), offset)
    return end - position
  }

  writeSync(file: number, from: Uint8Array, offset: number, length: number, position: number): void {
    this.#operate('write')
    const inode = this.#inode(file)
    resize(inode, Math.max(inode.size, position + length))
    inode.bytes.set(from.subarray(offset, offset + length), position)
  }

  syncSync(file: number): void {
    this.#operate('sync')
    const inode = this.#inode(file)
    inode.synced = Buffer.from(inode.bytes.subarray(0, inode.size))
  }

  read(
    file: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    later(done, () => this.readSync(file, into, offset, length, position))
  }

  write(
    file: number,
    from: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    later(done, () => {
      this.writeSync(file, from, offset, length, position)
      return length
    })
  }

  sync(file: number, done: DiskDone): void {
    later(done, () => {
      this.syncSync(file)
      return 0
    })
  }

  sizeBytes(file: number): number {
    return this.#inode(file).size
  }

  truncate(file: number, sizeBytes: number): void {
    this.#operate('truncate')
    resize(this.#inode(file), sizeBytes)
  }

  rename(from: string, to: string): void {
    this.#operate('rename')
    const inode = this.#names.get(from)
    if (inode === undefined) throw diskError('ENOENT', from)
    this.#change({ kind: 'rename', from, to, inode })
  }

  link(from: string, to: string): void {
    this.#operate('link')
    const inode = this.#names.get(from)
    if (inode === undefined) throw diskError('ENOENT', from)
    this.#change({ kind: 'set', path: to, inode })
  }

  unlink(path: string): void {
    this.#operate('unlink')
    if (!this.#names.has(path)) throw diskError('ENOENT', path)
    this.#change({ kind: 'unlink', path })
  }

  discard(path: string): void {
    if (this.exists(path)) this.unlink(path)
  }

  exists(path: string): boolean {
    return this.#names.has(path)
  }

  list(directory: string): string[] {
    return [...this.#names.keys()]
      .filter((path) => path.startsWith(`${directory}/`))
      .map((path) => path.slice(directory.length + 1))
  }

  makeDirectory(): void {}

  removeDirectory(): void {}

  syncDirectory(): void {
    this.#operate('sync-directory')
    this.#durableNames = new Map(this.#names)
    this.#changes = []
  }

  freeBytes(): number {
    return 2 ** 40
  }

  /** Bytes of a file as they are now. */
  contents(path: string): Buffer {
    const inode = this.#names.get(path)
    if (inode === undefined) throw diskError('ENOENT', path)
    return Buffer.from(inode.bytes.subarray(0, inode.size))
  }

  /** Puts a durable file there. */
  put(path: string, bytes: Buffer): void {
    const inode = { bytes: Buffer.from(bytes), size: bytes.length, synced: Buffer.from(bytes) }
    this.#names.set(path, inode)
    this.#durableNames.set(path, inode)
  }

  /** How many changes of names a crash now may keep or lose, each on its own. */
  get pendingNames(): number {
    return this.#changes.length
  }

  /**
   * The disk that a machine finds after losing power now. Of the changes of names that are not durable those happened
   * for which `keepsName` says so; of every file `data` of what was written after its last sync.
   */
  afterCrash(keepsName: (change: number) => boolean, data: 'synced' | 'all' | 'torn'): MemoryDisk {
    const names = new Map(this.#durableNames)
    this.#changes.forEach((change, i) => {
      if (keepsName(i)) apply(names, change)
    })
    const disk = new MemoryDisk()
    for (const [path, inode] of names) disk.put(path, survivingBytes(inode, data))
    return disk
  }

  #operate(name: string): void {
    this.operations++
    this.onOperation(this.operations, name)
  }

  #change(change: NameChange): void {
    apply(this.#names, change)
    this.#changes.push(change)
  }

  #inode(file: number): Inode {
    const inode = this.#open.get(file)
    if (inode === undefined) throw diskError('EBADF', String(file))
    return inode
  }
}

export function diskError(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

function survivingBytes(inode: Inode, data: 'synced' | 'all' | 'torn'): Buffer {
  const all = inode.bytes.subarray(0, inode.size)
  if (data === 'all') return all
  if (data === 'synced' || all.equals(inode.synced)) return inode.synced
  // The first half of the new bytes arrived, the size of the new file too.
  const torn = Buffer.alloc(inode.size)
  inode.synced.copy(torn)
  all.copy(torn, 0, 0, inode.size >> 1)
  return torn
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  switch (change.kind) {
    case 'set':
      names.set(change.path, change.inode)
      return
    case 'rename':
      names.delete(change.from)
      names.set(change.to, change.inode)
      return
    case 'unlink':
      names.delete(change.path)
  }
}

function resize(inode: Inode, size: number): void {
  if (size > inode.bytes.length) {
    const grown = Buffer.alloc(Math.max(size, inode.bytes.length * 2))
    inode.bytes.copy(grown, 0, 0, inode.size)
    inode.bytes = grown
  }
  if (size < inode.size) inode.bytes.fill(0, size, inode.size)
  inode.size = size
}

function later(done: DiskDone, run: () => number): void {
  setImmediate(() => {
    try {
      done(null, run())
    } catch (error) {
      done(error as NodeJS.ErrnoException, 0)
    }
  })
}

/**
 * The contents of a simulated disk and the open handles to it: what each operation does when nothing goes wrong but
 * want of room. Counting, faults and delays are sim-disk.ts's, durability is the files' and the namespace's.
 *
 * Room is taken by pages that were written and can be read, also those of a removed file that is still open. The count
 * is taken anew whenever it is needed: a running one would have to know of every page that a crash or damage makes.
 */
import { assert } from '../../util/assert.js'
import type { SimRandom } from '../sim-random.js'
import { diskError } from './disk-error.js'
import type { CrashMode, SimFile } from './sim-file.js'
import { SimNamespace } from './sim-namespace.js'

export interface Handle {
  readonly path: string
  readonly file: SimFile
  readonly writable: boolean
  /** Operations with a callback that have not completed. */
  inFlight: number
}

/** A write that was asked for and has not taken effect. */
export interface WriteInFlight {
  readonly file: SimFile
  readonly from: Uint8Array
  readonly offset: number
  readonly length: number
  readonly position: number
}

const FIRST_HANDLE = 3

export class Medium {
  capacityBytes: number
  #names = new SimNamespace()
  #handles = new Map<number, Handle>()
  #nextHandle = FIRST_HANDLE
  readonly writesInFlight = new Set<WriteInFlight>()

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes
  }

  get names(): SimNamespace {
    return this.#names
  }

  get usedBytes(): number {
    const files = new Set(this.#names.liveFiles())
    for (const { file } of this.#handles.values()) files.add(file)
    let used = 0
    for (const file of files) used += file.allocatedBytes
    return used
  }

  get openFiles(): number {
    return this.#handles.size
  }

  get hasUnsyncedChanges(): boolean {
    if (this.#names.pendingChanges > 0) return true
    for (const file of this.#names.liveFiles()) if (!file.isDurable) return true
    return false
  }

  open(path: string, file: SimFile, writable: boolean): number {
    const handle = this.#nextHandle++
    this.#handles.set(handle, { path, file, writable, inFlight: 0 })
    return handle
  }

  close(file: number): void {
    const handle = this.handle(file, 'close')
    assert(handle.inFlight === 0, `no operation is in flight when '${handle.path}' is closed`)
    this.#handles.delete(file)
  }

  handle(file: number, call: string): Handle {
    const handle = this.#handles.get(file)
    if (handle === undefined) throw diskError('EBADF', call, `handle ${file}`)
    return handle
  }

  writableHandle(file: number, call: string): Handle {
    const handle = this.handle(file, call)
    if (!handle.writable) throw diskError('EBADF', call, handle.path)
    return handle
  }

  read({ file, path }: Handle, into: Uint8Array, offset: number, length: number, position: number): number {
    assert(offset + length <= into.length, 'a read stays within its buffer')
    if (file.isUnreadable(position, length)) throw diskError('EIO', 'read', path)
    return file.read(into, offset, length, position)
  }

  /** Writes all, or when there is no room a part and throws ENOSPC. */
  write(handle: Handle, write: WriteInFlight, random: SimRandom): void {
    assert(write.offset + write.length <= write.from.length, 'a write stays within its buffer')
    if (!this.#hasRoomFor(write)) {
      this.writePart(write, random)
      throw diskError('ENOSPC', 'write', handle.path)
    }
    perform(write)
  }

  /** What a failing write leaves: some first part, as far as there is room. */
  writePart(write: WriteInFlight, random: SimRandom): void {
    const part = { ...write, length: random.below(write.length + 1) }
    if (this.#hasRoomFor(part)) perform(part)
  }

  crash(mode: CrashMode, random: SimRandom): void {
    for (const write of this.writesInFlight) {
      if (mode === 'keep-all' || (mode === 'random' && random.chance(0.5))) perform(write)
    }
    this.#names.crash(mode, random)
    this.#handles.clear()
    this.writesInFlight.clear()
  }

  /** The same contents and writes in flight, without handles. */
  clone(): Medium {
    const twin = new Medium(this.capacityBytes)
    const copies = new Map<SimFile, SimFile>()
    twin.#names = this.#names.clone(copies)
    twin.#nextHandle = this.#nextHandle
    for (const write of this.writesInFlight) {
      const file = copies.get(write.file)
      if (file !== undefined) twin.writesInFlight.add({ ...write, file })
    }
    return twin
  }

  #hasRoomFor({ file, length, position }: WriteInFlight): boolean {
    const missing = file.missingBytes(position, length)
    return missing === 0 || this.usedBytes + missing <= this.capacityBytes
  }
}

function perform({ file, from, offset, length, position }: WriteInFlight): void {
  file.write(from, offset, length, position)
}

/**
 * The simulated disk: everything in memory, and everything that real disks do to programs on request. It knows for
 * each byte and each name whether a sync has made it durable (disk/sim-file.ts, disk/sim-namespace.ts), and a crash
 * keeps of the rest nothing, all, or any part. kill -9 cannot test that, since the page cache survives it.
 *
 * Operations are counted from 1, `close` and `freeBytes` left out. A fault strikes at the n-th operation from now:
 *
 * - EIO or ENOSPC. A failed write may have written a part. A failed sync loses what it should have made durable, while readers
 *   still see it and the next sync succeeds. Other failed operations change nothing. ENOSPC passes operations that need no room.
 * - Power off. The operation's change is made, unsynced; a sync makes nothing durable. The call and all later ones throw
 *   MachineOff, and no callback comes any more. `crash`, or `clone` and then `crash`, gives the disk after the reboot.
 *
 * The callback operations are counted when called and take effect later, after a random delay each, so in any order, as
 * on a thread pool. A write reads the caller's bytes only then. A sync covers the writes that had completed when it was
 * called, and no others. Closing a file with operations in flight is an assertion error: on a real disk its number
 * would be reused and they would hit another file.
 *
 * Deterministic: the same seed, clock and calls give the same results and the same trace.
 */
import { assert } from '../util/assert.js'
import type { Clock } from '../env/clock.js'
import type { Disk, DiskDone } from '../env/disk.js'
import { diskError, MachineOff } from './disk/disk-error.js'
import { FaultPlan } from './disk/fault-plan.js'
import type { DiskOperation, FaultCode } from './disk/fault-plan.js'
import { OperationTrace } from './disk/operation-trace.js'
import type { CrashMode, SimFile } from './disk/sim-file.js'
import { SimNamespace } from './disk/sim-namespace.js'
import type { SimRandom } from './sim-random.js'

export interface SimDiskOptions {
  readonly random: SimRandom
  /** Drives the operations with a callback. */
  readonly clock: Clock
  /** The size of the disk; only pages that were written take room. */
  readonly capacityBytes?: number
  /** Each operation with a callback takes a uniform time up to this. */
  readonly delayMsMax?: number
}

interface Handle {
  readonly path: string
  readonly file: SimFile
  readonly writable: boolean
  inFlight: number
}

interface WriteInFlight {
  readonly file: SimFile
  readonly from: Uint8Array
  readonly offset: number
  readonly length: number
  readonly position: number
}

const CAPACITY_BYTES = 2 ** 40
const DELAY_MS_MAX = 2
const FIRST_HANDLE = 3

export class SimDisk implements Disk {
  /** Room for new pages fails beyond it; tests move it to fill the disk and to make room. */
  capacityBytes: number
  /** Called before each operation with its number and its line of the trace; a place to clone and crash the clone. */
  onOperation: ((operation: number, line: string) => void) | undefined
  readonly trace = new OperationTrace()
  readonly #random: SimRandom
  readonly #clock: Clock
  readonly #delayMsMax: number
  readonly #faults = new FaultPlan()
  #names = new SimNamespace()
  #handles = new Map<number, Handle>()
  #nextHandle = FIRST_HANDLE
  #writesInFlight = new Set<WriteInFlight>()
  #usedBytes = 0
  #operations = 0
  /** Counts machine lives: completions of an earlier one are dropped. */
  #life = 0
  #off = false

  constructor(options: SimDiskOptions) {
    this.#random = options.random.fork('disk')
    this.#clock = options.clock
    this.capacityBytes = options.capacityBytes ?? CAPACITY_BYTES
    this.#delayMsMax = options.delayMsMax ?? DELAY_MS_MAX
  }

  /** Operations so far. */
  get operations(): number {
    return this.#operations
  }

  get isOff(): boolean {
    return this.#off
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Whether a crash could lose anything. */
  get hasUnsyncedChanges(): boolean {
    if (this.#names.pendingChanges > 0) return true
    return [...this.#names.liveFiles()].some((file) => file.pendingChanges > 0)
  }

  /** The n-th operation from now (1 is the next; of that kind if one is named) fails, and `times` - 1 after it. */
  failAt(nth: number, code: FaultCode, operation?: DiskOperation, times = 1): void {
    this.#faults.add(code, nth, operation, times)
  }

  /** The power goes during the n-th operation from now. */
  powerOffAt(nth: number, operation?: DiskOperation): void {
    this.#faults.add('power-off', nth, operation, 1)
  }

  clearFaults(): void {
    this.#faults.clear()
  }

  /** Reads of the file's bytes [from, to) fail with EIO until healReads. */
  failReads(path: string, from: number, to: number): void {
    this.#names.file(path, 'failReads').failReads(from, to)
  }

  healReads(path: string): void {
    this.#names.file(path, 'healReads').healReads()
  }

  /** Flips bit 0 to 7 of a byte on the medium and in the cache. */
  flipBit(path: string, offset: number, bit: number): void {
    const byte = new Uint8Array(1)
    assert(
      this.#names.file(path, 'flipBit').read(byte, 0, 1, offset) === 1,
      'the flipped bit lies in the file',
    )
    byte[0] ^= 1 << bit
    this.damage(path, offset, byte)
  }

  /** Overwrites bytes on the medium and in the cache, as a misdirected write does. */
  damage(path: string, offset: number, bytes: Uint8Array): void {
    this.#names.file(path, 'damage').damage(offset, bytes)
  }

  /** The kernel forgets clean pages: what a failed sync lost is lost to readers from now on too. */
  dropCaches(): void {
    for (const file of this.#names.liveFiles()) file.dropCache()
  }

  /**
   * The machine stops and starts again: what was unsynced fares by `mode`, handles are invalid, operations in flight
   * are forgotten (each write may have happened), faults are cleared.
   */
  crash(mode: CrashMode, random: SimRandom = this.#random.fork(`crash-${this.#operations}`)): void {
    for (const { file, from, offset, length, position } of this.#writesInFlight) {
      if (mode === 'keep-all' || (mode === 'random' && random.chance(0.5))) {
        file.write(from, offset, length, position)
      }
    }
    this.#names.crash(mode, random)
    this.#handles.clear()
    this.#writesInFlight.clear()
    this.#faults.clear()
    this.#life++
    this.#off = false
    this.#usedBytes = 0
    for (const file of this.#names.liveFiles()) this.#usedBytes += file.allocatedBytes
    this.trace.add(`crash ${mode}`)
  }

  /**
   * A twin with the same contents, durable and not, for another life under another clock: without handles, faults
   * and callbacks, but with the writes in flight, which a crash may keep. Pages are shared until written.
   */
  clone(clock: Clock = this.#clock): SimDisk {
    const twin = new SimDisk({
      random: this.#random.fork(`clone-${this.#operations}`),
      clock,
      capacityBytes: this.capacityBytes,
      delayMsMax: this.#delayMsMax,
    })
    const copies = new Map<SimFile, SimFile>()
    twin.#names = this.#names.clone(copies)
    twin.#nextHandle = this.#nextHandle
    for (const write of this.#writesInFlight) {
      const file = copies.get(write.file)
      if (file !== undefined) twin.#writesInFlight.add({ ...write, file })
    }
    for (const file of twin.#names.liveFiles()) twin.#usedBytes += file.allocatedBytes
    return twin
  }

  open(path: string, mode: 'read' | 'write' | 'create'): number {
    this.#assertOn()
    const makes = mode === 'create' && this.#names.find(path, 'open') === undefined
    return this.#perform(makes ? 'create' : 'open', path, makes, () => {
      const file = makes ? this.#names.create(path, 'open') : this.#names.file(path, 'open')
      file.handles++
      const handle = this.#nextHandle++
      this.#handles.set(handle, { path, file, writable: mode !== 'read', inFlight: 0 })
      return handle
    })
  }

  close(file: number): void {
    this.#assertOn()
    const handle = this.#handle(file, 'close')
    assert(handle.inFlight === 0, `no operation is in flight when '${handle.path}' is closed`)
    this.#handles.delete(file)
    handle.file.handles--
    this.#releaseIfGone(handle.file)
  }

  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOn()
    const handle = this.#handle(file, 'read')
    return this.#perform('read', at(handle, position, length), false, () =>
      readFrom(handle, into, offset, length, position),
    )
  }

  writeSync(file: number, from: Uint8Array, offset: number, length: number, position: number): void {
    this.#assertOn()
    const handle = this.#writableHandle(file, 'write')
    this.#perform(
      'write',
      at(handle, position, length),
      true,
      () => this.#writeTo(handle, from, offset, length, position),
      () => this.#writePart(handle, from, offset, length, position),
    )
  }

  syncSync(file: number): void {
    this.#assertOn()
    const handle = this.#handle(file, 'fdatasync')
    this.#perform(
      'sync',
      handle.path,
      false,
      () => handle.file.sync(handle.file.mark),
      () => handle.file.failSync(handle.file.mark),
    )
  }

  read(
    file: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    this.#assertOn()
    const handle = this.#handle(file, 'read')
    const run = this.#begin('read', at(handle, position, length), false, () =>
      readFrom(handle, into, offset, length, position),
    )
    this.#later(handle, run, done)
  }

  write(
    file: number,
    from: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    this.#assertOn()
    const handle = this.#writableHandle(file, 'write')
    const inFlight = { file: handle.file, from, offset, length, position }
    const run = this.#begin(
      'write',
      at(handle, position, length),
      true,
      () => this.#writeTo(handle, from, offset, length, position),
      () => this.#writePart(handle, from, offset, length, position),
    )
    this.#writesInFlight.add(inFlight)
    this.#later(
      handle,
      () => {
        this.#writesInFlight.delete(inFlight)
        run()
        return length
      },
      done,
    )
  }

  sync(file: number, done: DiskDone): void {
    this.#assertOn()
    const handle = this.#handle(file, 'fdatasync')
    const mark = handle.file.mark
    const run = this.#begin(
      'sync',
      handle.path,
      false,
      () => handle.file.sync(mark),
      () => handle.file.failSync(mark),
    )
    this.#later(
      handle,
      () => {
        run()
        return 0
      },
      done,
    )
  }

  sizeBytes(file: number): number {
    this.#assertOn()
    const handle = this.#handle(file, 'fstat')
    return this.#perform('size', handle.path, false, () => handle.file.sizeBytes)
  }

  truncate(file: number, sizeBytes: number): void {
    this.#assertOn()
    const handle = this.#handle(file, 'ftruncate')
    if (!handle.writable) throw diskError('EINVAL', 'ftruncate', handle.path)
    this.#perform('truncate', `${handle.path} to ${sizeBytes}`, true, () =>
      this.#counted(handle.file, () => handle.file.resize(sizeBytes)),
    )
  }

  rename(from: string, to: string): void {
    this.#perform('rename', `${from} to ${to}`, true, () => {
      this.#releaseIfGone(this.#names.rename(from, to, 'rename'))
    })
  }

  unlink(path: string): void {
    this.#perform('unlink', path, true, () => this.#releaseIfGone(this.#names.unlink(path, 'unlink')))
  }

  exists(path: string): boolean {
    return this.#perform('exists', path, false, () => this.#names.find(path, 'stat') !== undefined)
  }

  list(directory: string): string[] {
    return this.#perform('list', directory, false, () => [
      ...this.#names.directory(directory, 'scandir').live.keys(),
    ])
  }

  makeDirectory(directory: string): void {
    this.#perform('make-directory', directory, true, () => this.#names.makeDirectory(directory, 'mkdir'))
  }

  syncDirectory(directory: string): void {
    this.#perform(
      'sync-directory',
      directory,
      false,
      () => this.#names.sync(this.#names.directory(directory, 'fsync')),
      () => this.#names.failSync(this.#names.directory(directory, 'fsync')),
    )
  }

  freeBytes(directory: string): number {
    this.#assertOn()
    this.#names.directory(directory, 'statfs')
    return Math.max(0, this.capacityBytes - this.#usedBytes)
  }

  #perform<T>(
    operation: DiskOperation,
    detail: string,
    changes: boolean,
    act: () => T,
    fail?: () => void,
  ): T {
    return this.#begin(operation, detail, changes, act, fail)()
  }

  /**
   * Counts the operation and settles its fate; the returned function carries it out. `changes` says whether it alters
   * the disk short of making things durable, which the power cut still lets happen.
   */
  #begin<T>(
    operation: DiskOperation,
    detail: string,
    changes: boolean,
    act: () => T,
    fail: () => void = nothing,
  ): () => T {
    this.#assertOn()
    const line = `${this.#operations + 1} ${operation} ${detail}`
    this.onOperation?.(this.#operations + 1, line)
    this.#operations++
    const verdict = this.#faults.next(operation)
    this.trace.add(verdict === 'go' ? line : `${line} ${verdict}`)
    if (verdict === 'go') return act
    if (verdict === 'power-off') {
      this.#powerOff(changes ? act : nothing)
    }
    return () => {
      fail()
      throw diskError(verdict, operation, detail)
    }
  }

  #powerOff(lastAct: () => unknown): never {
    this.#off = true
    this.#life++
    try {
      lastAct()
    } catch {
      // Whether the operation would have worked does not matter any more.
    }
    throw new MachineOff()
  }

  #later(handle: Handle, run: () => number, done: DiskDone): void {
    const life = this.#life
    handle.inFlight++
    this.#clock.after(this.#random.fraction() * this.#delayMsMax, () => {
      if (life !== this.#life) return
      handle.inFlight--
      let bytes = 0
      try {
        bytes = run()
      } catch (error) {
        if (!isErrnoException(error)) throw error
        return done(error, 0)
      }
      done(null, bytes)
    })
  }

  #writeTo(handle: Handle, from: Uint8Array, offset: number, length: number, position: number): void {
    assert(offset + length <= from.length, 'a write stays within its buffer')
    const { file } = handle
    const missing = length === 0 ? 0 : file.missingBytes(position, length)
    if (this.#usedBytes + missing > this.capacityBytes) {
      this.#writePart(handle, from, offset, length, position)
      throw diskError('ENOSPC', 'write', handle.path)
    }
    this.#counted(file, () => file.write(from, offset, length, position))
  }

  /** A failing write: some first part of it happened, as far as there is room. */
  #writePart(handle: Handle, from: Uint8Array, offset: number, length: number, position: number): void {
    if (length === 0) return
    const { file } = handle
    const part = this.#random.below(length)
    if (part === 0 || this.#usedBytes + file.missingBytes(position, part) > this.capacityBytes) return
    this.#counted(file, () => file.write(from, offset, part, position))
  }

  /** Keeps the count of used bytes while `act` changes the file. */
  #counted(file: SimFile, act: () => void): void {
    const before = file.allocatedBytes
    act()
    this.#usedBytes += file.allocatedBytes - before
  }

  #releaseIfGone(file: SimFile | undefined): void {
    if (file !== undefined && !file.linked && file.handles === 0) this.#usedBytes -= file.allocatedBytes
  }

  #handle(file: number, call: string): Handle {
    const handle = this.#handles.get(file)
    if (handle === undefined) throw diskError('EBADF', call, `handle ${file}`)
    return handle
  }

  #writableHandle(file: number, call: string): Handle {
    const handle = this.#handle(file, call)
    if (!handle.writable) throw diskError('EBADF', call, handle.path)
    return handle
  }

  #assertOn(): void {
    if (this.#off) throw new MachineOff()
  }
}

function readFrom(
  handle: Handle,
  into: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  assert(offset + length <= into.length, 'a read stays within its buffer')
  if (handle.file.isUnreadable(position, length)) throw diskError('EIO', 'read', handle.path)
  return handle.file.read(into, offset, length, position)
}

function at(handle: Handle, position: number, length: number): string {
  return `${handle.path} @${position}+${length}`
}

function isErrnoException(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error
}

function nothing(): void {}

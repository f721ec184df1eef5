/**
 * The simulated disk: everything in memory, and everything that real disks do to programs on request. It knows for
 * each byte and each name whether a sync has made it durable (disk/sim-file.ts, disk/sim-namespace.ts), and a crash
 * keeps of the rest nothing, all, or any part. kill -9 cannot test that, since the page cache survives it.
 *
 * Operations are counted from 1, `close` and `freeBytes` left out. A fault strikes at the n-th operation from now:
 *
 * - EIO or ENOSPC. A failed write may have written a first part. A failed sync loses what it should have made durable, while
 *   readers still see it and the next sync succeeds. Other failed operations change nothing. ENOSPC passes operations
 *   that need no room.
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
import { Medium } from './disk/medium.js'
import type { Handle } from './disk/medium.js'
import { OperationTrace } from './disk/operation-trace.js'
import type { CrashMode } from './disk/sim-file.js'
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

/** One operation: what it does, what it leaves behind when it fails, and whether it alters what readers see. */
interface Action<T> {
  readonly act: () => T
  readonly fail?: () => void
  readonly changes?: boolean
}

const CAPACITY_BYTES = 2 ** 40
const DELAY_MS_MAX = 2

export class SimDisk implements Disk {
  /** Called before each operation with its number and its line of the trace; a place to clone and crash the clone. */
  onOperation: ((operation: number, line: string) => void) | undefined
  readonly trace = new OperationTrace()
  readonly #random: SimRandom
  readonly #clock: Clock
  #delayMsMax: number
  readonly #faults = new FaultPlan()
  #medium: Medium
  #operations = 0
  /** Counts the machine's lives: completions of an earlier one are dropped. */
  #life = 0
  #off = false
  /** Reads that wait for resumeReads; null when reads go on. */
  #stalledReads: (() => void)[] | null = null

  constructor(options: SimDiskOptions) {
    this.#random = options.random.fork('disk')
    this.#clock = options.clock
    this.#delayMsMax = options.delayMsMax ?? DELAY_MS_MAX
    this.#medium = new Medium(options.capacityBytes ?? CAPACITY_BYTES)
  }

  /** Operations so far. */
  get operations(): number {
    return this.#operations
  }

  get isOff(): boolean {
    return this.#off
  }

  get usedBytes(): number {
    return this.#medium.usedBytes
  }

  /** Handles that nobody has closed. */
  get openFiles(): number {
    return this.#medium.openFiles
  }

  /** Whether a crash could lose anything. */
  get hasUnsyncedChanges(): boolean {
    return this.#medium.hasUnsyncedChanges
  }

  /** Moves the size of the disk, to fill it or to make room. */
  setCapacity(capacityBytes: number): void {
    this.#medium.capacityBytes = capacityBytes
  }

  /** Operations with a callback that begin from now on take up to this; see SimDiskOptions. */
  set delayMsMax(delayMsMax: number) {
    this.#delayMsMax = delayMsMax
  }

  get delayMsMax(): number {
    return this.#delayMsMax
  }

  /** Paths of all files that are visible, in the order of their names. */
  get paths(): string[] {
    return [...this.#medium.names.livePaths()].sort()
  }

  /** The n-th operation from now (1 is the next; of that kind if one is named) fails, and `times` - 1 after it. */
  failAt(nth: number, code: FaultCode, operation?: DiskOperation, times = 1): void {
    this.#faults.add(code, nth, operation, times)
  }

  /** Each operation fails with this probability, until clearFaults or a crash. */
  failSometimes(chance: number, code: FaultCode): void {
    this.#faults.flake({ chance, code, random: this.#random.fork(`flaky-${this.#operations}`) })
  }

  /** The power goes during the n-th operation from now. */
  powerOffAt(nth: number, operation?: DiskOperation): void {
    this.#faults.add('power-off', nth, operation, 1)
  }

  /** The power goes now, between two operations. */
  powerOff(): void {
    this.#off = true
    this.#life++
  }

  clearFaults(): void {
    this.#faults.clear()
  }

  /** Reads of the file's bytes [from, to) fail with EIO until healReads. */
  failReads(path: string, from: number, to: number): void {
    this.#medium.names.file(path, 'failReads').failReads(from, to)
  }

  healReads(path: string): void {
    this.#medium.names.file(path, 'healReads').healReads()
  }

  /** No read with a callback completes until resumeReads: the disk hangs. */
  stallReads(): void {
    this.#stalledReads ??= []
  }

  resumeReads(): void {
    const stalled = this.#stalledReads ?? []
    this.#stalledReads = null
    for (const complete of stalled) complete()
  }

  /** Flips bit 0 to 7 of a byte on the medium and in the cache. */
  flipBit(path: string, offset: number, bit: number): void {
    const byte = new Uint8Array(1)
    const read = this.#medium.names.file(path, 'flipBit').read(byte, 0, 1, offset)
    assert(read === 1, 'the flipped bit lies in the file')
    byte[0] ^= 1 << bit
    this.damage(path, offset, byte)
  }

  /** Overwrites bytes on the medium and in the cache, as a misdirected write does. */
  damage(path: string, offset: number, bytes: Uint8Array): void {
    this.#medium.names.file(path, 'damage').damage(offset, bytes)
  }

  /** The kernel forgets clean pages: what a failed sync lost is lost to readers from now on too. */
  dropCaches(): void {
    for (const file of this.#medium.names.liveFiles()) file.dropCache()
  }

  /**
   * The machine stops and starts again: what was unsynced fares by `mode`, handles are invalid, operations in flight
   * are forgotten (each write may have happened), faults are cleared.
   */
  crash(mode: CrashMode, random: SimRandom = this.#random.fork(`crash-${this.#operations}`)): void {
    this.#medium.crash(mode, random)
    this.#faults.clear()
    this.#life++
    this.#off = false
    this.trace.add(`crash ${mode}`)
  }

  /**
   * A twin with the same contents, durable and not, for another life under another clock: without handles, faults
   * and callbacks, but with the writes in flight, which a crash may keep. Pages are shared until written.
   */
  clone(clock: Clock = this.#clock): SimDisk {
    const random = this.#random.fork(`clone-${this.#operations}`)
    const twin = new SimDisk({ random, clock, delayMsMax: this.#delayMsMax })
    twin.#medium = this.#medium.clone()
    return twin
  }

  open(path: string, mode: 'read' | 'write' | 'create'): number {
    this.#assertOn()
    const { names } = this.#medium
    const makes = mode === 'create' && names.find(path, 'open') === undefined
    const act = (): number => {
      const file = makes ? names.create(path, 'open') : names.file(path, 'open')
      return this.#medium.open(path, file, mode !== 'read')
    }
    return this.#begin(makes ? 'create' : 'open', path, { act, changes: makes })()
  }

  close(file: number): void {
    this.#assertOn()
    this.#medium.close(file)
  }

  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number {
    const handle = this.#handle(file, 'read')
    return this.#beginRead(handle, into, offset, length, position)()
  }

  writeSync(file: number, from: Uint8Array, offset: number, length: number, position: number): void {
    this.#beginWrite(file, from, offset, length, position).run()
  }

  syncSync(file: number): void {
    this.#beginSync(this.#handle(file, 'fdatasync'))()
  }

  read(
    file: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    const handle = this.#handle(file, 'read')
    const run = this.#beginRead(handle, into, offset, length, position)
    this.#later(handle, run, done, () => this.#stalledReads)
  }

  write(
    file: number,
    from: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    const { handle, write, run } = this.#beginWrite(file, from, offset, length, position)
    this.#medium.writesInFlight.add(write)
    const complete = (): number => {
      this.#medium.writesInFlight.delete(write)
      return run()
    }
    this.#later(handle, complete, done)
  }

  sync(file: number, done: DiskDone): void {
    const handle = this.#handle(file, 'fdatasync')
    this.#later(handle, this.#beginSync(handle), done)
  }

  sizeBytes(file: number): number {
    const handle = this.#handle(file, 'fstat')
    return this.#begin('size', handle.path, { act: () => handle.file.sizeBytes })()
  }

  truncate(file: number, sizeBytes: number): void {
    const handle = this.#handle(file, 'ftruncate')
    if (!handle.writable) throw diskError('EINVAL', 'ftruncate', handle.path)
    const act = (): void => handle.file.resize(sizeBytes)
    this.#begin('truncate', `${handle.path} to ${sizeBytes}`, { act, changes: true })()
  }

  rename(from: string, to: string): void {
    const act = (): void => this.#medium.names.rename(from, to, 'rename')
    this.#begin('rename', `${from} to ${to}`, { act, changes: true })()
  }

  link(from: string, to: string): void {
    const act = (): void => this.#medium.names.link(from, to, 'link')
    this.#begin('link', `${from} as ${to}`, { act, changes: true })()
  }

  unlink(path: string): void {
    this.#begin('unlink', path, { act: () => this.#medium.names.unlink(path, 'unlink'), changes: true })()
  }

  discard(path: string): void {
    try {
      this.unlink(path)
    } catch (error) {
      if (!isDiskError(error)) throw error
    }
  }

  exists(path: string): boolean {
    return this.#begin('exists', path, { act: () => this.#medium.names.find(path, 'stat') !== undefined })()
  }

  list(directory: string): string[] {
    const act = (): string[] => [...this.#medium.names.directory(directory, 'scandir').live.keys()]
    return this.#begin('list', directory, { act })()
  }

  makeDirectory(directory: string): void {
    const act = (): void => this.#medium.names.makeDirectory(directory, 'mkdir')
    this.#begin('make-directory', directory, { act, changes: true })()
  }

  removeDirectory(directory: string): void {
    const act = (): void => this.#medium.names.removeDirectory(directory, 'rmdir')
    this.#begin('remove-directory', directory, { act, changes: true })()
  }

  syncDirectory(directory: string): void {
    const { names } = this.#medium
    this.#begin('sync-directory', directory, {
      act: () => names.sync(names.directory(directory, 'fsync')),
      fail: () => names.failSync(names.directory(directory, 'fsync')),
    })()
  }

  freeBytes(directory: string): number {
    this.#assertOn()
    this.#medium.names.directory(directory, 'statfs')
    return Math.max(0, this.#medium.capacityBytes - this.#medium.usedBytes)
  }

  #beginRead(
    handle: Handle,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): () => number {
    const act = (): number => this.#medium.read(handle, into, offset, length, position)
    return this.#begin('read', `${handle.path} @${position}+${length}`, { act })
  }

  #beginWrite(file: number, from: Uint8Array, offset: number, length: number, position: number) {
    this.#assertOn()
    const handle = this.#medium.writableHandle(file, 'write')
    const write = { file: handle.file, from, offset, length, position }
    const act = (): number => {
      this.#medium.write(handle, write, this.#random)
      return length
    }
    const fail = (): void => this.#medium.writePart(write, this.#random)
    const run = this.#begin('write', `${handle.path} @${position}+${length}`, { act, fail, changes: true })
    return { handle, write, run }
  }

  /** Covers what has been written by now, not what is written by the time it completes. */
  #beginSync({ path, file }: Handle): () => number {
    const mark = file.mark
    const act = (): number => {
      file.sync(mark)
      return 0
    }
    return this.#begin('sync', path, { act, fail: () => file.failSync(mark) })
  }

  /** Counts the operation and settles its fate; the returned function carries it out. */
  #begin<T>(operation: DiskOperation, detail: string, action: Action<T>): () => T {
    this.#assertOn()
    const line = `${this.#operations + 1} ${operation} ${detail}`
    this.onOperation?.(this.#operations + 1, line)
    this.#operations++
    const verdict = this.#faults.next(operation)
    this.trace.add(verdict === 'go' ? line : `${line} ${verdict}`)
    if (verdict === 'go') return action.act
    if (verdict === 'power-off') this.#powerOffDuring(action)
    return () => {
      action.fail?.()
      throw diskError(verdict, operation, detail)
    }
  }

  #powerOffDuring(last: Action<unknown>): never {
    this.powerOff()
    try {
      if (last.changes === true) last.act()
    } catch (error) {
      // That the operation would not have worked does not matter any more.
      if (!isDiskError(error)) throw error
    }
    throw new MachineOff()
  }

  /** `stalled`: where it is put instead of being completed; null when it is not to be. */
  #later(
    handle: Handle,
    run: () => number,
    done: DiskDone,
    stalled: () => (() => void)[] | null = () => null,
  ): void {
    const life = this.#life
    handle.inFlight++
    const complete = (): void => {
      if (life !== this.#life) return
      const waiting = stalled()
      if (waiting !== null) {
        waiting.push(complete)
        return
      }
      handle.inFlight--
      let bytes: number
      try {
        bytes = run()
      } catch (error) {
        if (!isDiskError(error)) throw error
        return done(error, 0)
      }
      done(null, bytes)
    }
    this.#clock.after(this.#random.fraction() * this.#delayMsMax, complete)
  }

  #handle(file: number, call: string): Handle {
    this.#assertOn()
    return this.#medium.handle(file, call)
  }

  #assertOn(): void {
    if (this.#off) throw new MachineOff()
  }
}

function isDiskError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error
}

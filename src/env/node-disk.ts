/**
 * The real disk. Thin on purpose: whatever is promised above it must also hold on the simulated one, so there is
 * no cleverness here that a simulation would not see.
 *
 * What the kernel may do and the interface hides: a read or write may move fewer bytes than asked (both loop on), a
 * signal may interrupt a read (EINTR, tried again; libuv already retries the other calls), and one call takes at most
 * 2^31 - 1 bytes (longer ones are cut into pieces). A write that moves nothing is turned into EIO, because looping on it
 * would never end. A failed sync is reported once and never retried: the kernel marks the pages clean after a failure,
 * so that a second call would "succeed" without having written anything.
 *
 * `exists` answers false only for ENOENT; any other failure is thrown, since "cannot tell" is not "absent".
 */
import fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Disk, DiskDone } from './disk.js'

const PIECE_BYTES_MAX = 1 << 30
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

const OPEN_FLAGS = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
} as const

export class NodeDisk implements Disk {
  open(path: string, mode: 'read' | 'write' | 'create'): number {
    return fs.openSync(path, OPEN_FLAGS[mode], FILE_MODE)
  }

  close(file: number): void {
    fs.closeSync(file)
  }

  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number {
    let total = 0
    while (total < length) {
      const bytes = readPieceSync(file, into, offset + total, piece(length - total), position + total)
      if (bytes === 0) break
      total += bytes
    }
    return total
  }

  writeSync(file: number, from: Uint8Array, offset: number, length: number, position: number): void {
    let total = 0
    while (total < length) {
      const bytes = fs.writeSync(file, from, offset + total, piece(length - total), position + total)
      if (bytes === 0) throw nothingWritten()
      total += bytes
    }
  }

  syncSync(file: number): void {
    fs.fdatasyncSync(file)
  }

  read(
    file: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    if (length === 0) process.nextTick(done, null, 0)
    else readOn(file, into, offset, length, position, 0, done)
  }

  write(
    file: number,
    from: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    if (length === 0) process.nextTick(done, null, 0)
    else writeOn(file, from, offset, length, position, 0, done)
  }

  sync(file: number, done: DiskDone): void {
    fs.fdatasync(file, (error) => done(error, 0))
  }

  sizeBytes(file: number): number {
    return fs.fstatSync(file).size
  }

  truncate(file: number, sizeBytes: number): void {
    fs.ftruncateSync(file, sizeBytes)
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to)
  }

  link(from: string, to: string): void {
    fs.linkSync(from, to)
  }

  unlink(path: string): void {
    fs.unlinkSync(path)
  }

  discard(path: string): void {
    fs.unlink(path, () => {})
  }

  exists(path: string): boolean {
    return fs.statSync(path, { throwIfNoEntry: false }) !== undefined
  }

  list(directory: string): string[] {
    return fs.readdirSync(directory)
  }

  makeDirectory(directory: string): void {
    // Not `recursive`: on file systems that refuse with ENOENT, such as /proc, Node 20 then tries for ever.
    const missing: string[] = []
    for (let path = resolve(directory); !this.#isDirectory(path); path = dirname(path)) missing.push(path)
    for (const path of missing.reverse()) this.#makeOneDirectory(path)
  }

  #isDirectory(path: string): boolean {
    return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  }

  #makeOneDirectory(directory: string): void {
    try {
      fs.mkdirSync(directory, { mode: DIRECTORY_MODE })
    } catch (error) {
      // Somebody else may have made it just now.
      const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
      if (!exists || !this.#isDirectory(directory)) throw error
    }
  }

  removeDirectory(directory: string): void {
    fs.rmdirSync(directory)
  }

  syncDirectory(directory: string): void {
    const handle = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    try {
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
  }

  freeBytes(directory: string): number {
    const { bavail, bsize } = fs.statfsSync(directory)
    return bavail * bsize
  }
}

function piece(length: number): number {
  return Math.min(length, PIECE_BYTES_MAX)
}

function readPieceSync(file: number, into: Uint8Array, offset: number, length: number, position: number) {
  for (;;) {
    try {
      return fs.readSync(file, into, offset, length, position)
    } catch (error) {
      if (!wasInterrupted(error)) throw error
    }
  }
}

/** Reads on from `total` bytes already read until `length` or the end of the file. */
function readOn(
  file: number,
  into: Uint8Array,
  offset: number,
  length: number,
  position: number,
  total: number,
  done: DiskDone,
): void {
  fs.read(file, into, offset + total, piece(length - total), position + total, (error, bytes) => {
    if (error !== null && !wasInterrupted(error)) return done(error, total)
    const sum = error === null ? total + bytes : total
    if (sum === length || (error === null && bytes === 0)) done(null, sum)
    else readOn(file, into, offset, length, position, sum, done)
  })
}

/** Writes on from `total` bytes already written until all `length` are. */
function writeOn(
  file: number,
  from: Uint8Array,
  offset: number,
  length: number,
  position: number,
  total: number,
  done: DiskDone,
): void {
  fs.write(file, from, offset + total, piece(length - total), position + total, (error, bytes) => {
    if (error !== null) return done(error, total)
    if (bytes === 0) return done(nothingWritten(), total)
    if (total + bytes === length) done(null, length)
    else writeOn(file, from, offset, length, position, total + bytes, done)
  })
}

function wasInterrupted(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EINTR'
}

function nothingWritten(): NodeJS.ErrnoException {
  return Object.assign(new Error('EIO: a write moved no bytes'), { code: 'EIO' })
}

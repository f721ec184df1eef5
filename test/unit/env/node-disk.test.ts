/** What only the real disk has: rights, the kernel's half-done calls, and errors of real devices. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { NodeDisk } from '../../../src/env/node-disk.js'
import { completion } from '../../support/completion.js'

const disk = new NodeDisk()

function temporaryDirectory(t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kindred-node-disk-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  return directory
}

function openFile(t: Test): number {
  const file = disk.open(path.join(temporaryDirectory(t), 'a'), 'create')
  t.teardown(() => disk.close(file))
  return file
}

function interruption(): NodeJS.ErrnoException {
  return Object.assign(new Error('EINTR: interrupted'), { code: 'EINTR' })
}

const ten = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])

t.test('files and folders are readable by their owner only', async (t) => {
  const directory = temporaryDirectory(t)
  disk.makeDirectory(path.join(directory, 'x/y'))
  disk.close(disk.open(path.join(directory, 'x/y/a'), 'create'))
  for (const [name, mode] of [
    ['x', 0o700],
    ['x/y', 0o700],
    ['x/y/a', 0o600],
  ] as const) {
    t.equal(fs.statSync(path.join(directory, name)).mode & 0o777, mode, name)
  }
})

t.test('a write that the kernel takes in pieces is carried to its end', async (t) => {
  const file = openFile(t)
  const { writeSync, write } = fs
  t.intercept(fs, 'writeSync', {
    value: (fd: number, bytes: Uint8Array, offset: number, length: number, position: number) =>
      writeSync(fd, bytes, offset, Math.min(length, 3), position),
  })
  t.intercept(fs, 'write', {
    value: (
      fd: number,
      bytes: Uint8Array,
      offset: number,
      length: number,
      position: number,
      done: (error: NodeJS.ErrnoException | null, written: number) => void,
    ) => write(fd, bytes, offset, Math.min(length, 3), position, done),
  })
  disk.writeSync(file, ten, 0, 10, 0)
  t.same(await completion((done) => disk.write(file, ten, 0, 10, 10, done)), { error: null, bytes: 10 })
  const back = new Uint8Array(20)
  t.equal(disk.readSync(file, back, 0, 20, 0), 20)
  t.same([...back], [...ten, ...ten])
})

t.test('a read in pieces, interrupted in between, is carried to its end', async (t) => {
  const file = openFile(t)
  disk.writeSync(file, ten, 0, 10, 0)
  const { readSync, read } = fs
  let calls = 0
  t.intercept(fs, 'readSync', {
    value: (fd: number, into: Uint8Array, offset: number, length: number, position: number) => {
      if (++calls % 2 === 0) throw interruption()
      return readSync(fd, into, offset, Math.min(length, 4), position)
    },
  })
  t.intercept(fs, 'read', {
    value: (
      fd: number,
      into: Uint8Array,
      offset: number,
      length: number,
      position: number,
      done: (error: NodeJS.ErrnoException | null, bytes: number) => void,
    ) => {
      if (++calls % 2 === 0) setImmediate(done, interruption(), 0)
      else read(fd, into, offset, Math.min(length, 4), position, done)
    },
  })
  const back = new Uint8Array(12)
  t.equal(disk.readSync(file, back, 0, 12, 0), 10)
  t.same([...back], [...ten, 0, 0])
  back.fill(0)
  t.same(await completion((done) => disk.read(file, back, 0, 12, 0, done)), { error: null, bytes: 10 })
  t.same([...back], [...ten, 0, 0])
})

t.test('a write that moves nothing is an error and no endless loop', async (t) => {
  const file = openFile(t)
  t.intercept(fs, 'writeSync', { value: () => 0 })
  t.intercept(fs, 'write', {
    value: (...args: unknown[]) => {
      const done = args.at(-1)
      if (typeof done === 'function') setImmediate(() => void done(null, 0))
    },
  })
  t.throws(() => disk.writeSync(file, ten, 0, 10, 0), { code: 'EIO' })
  t.match(await completion((done) => disk.write(file, ten, 0, 10, 0, done)), { error: { code: 'EIO' } })
})

t.test('a failed sync is reported once and not tried again', async (t) => {
  const file = openFile(t)
  let calls = 0
  const failure = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  t.intercept(fs, 'fdatasyncSync', {
    value: () => {
      calls++
      throw failure
    },
  })
  t.throws(() => disk.syncSync(file), { code: 'EIO' })
  t.equal(calls, 1)
})

t.test(
  'a full device refuses with ENOSPC, on both paths',
  { skip: !fs.existsSync('/dev/full') },
  async (t) => {
    const file = disk.open('/dev/full', 'write')
    t.teardown(() => disk.close(file))
    t.throws(() => disk.writeSync(file, ten, 0, 10, 0), { code: 'ENOSPC' })
    t.match(await completion((done) => disk.write(file, ten, 0, 10, 0, done)), { error: { code: 'ENOSPC' } })
  },
)

t.test('a path through a file is an error, not an absent file', async (t) => {
  const directory = temporaryDirectory(t)
  disk.close(disk.open(path.join(directory, 'a'), 'create'))
  t.throws(() => disk.exists(path.join(directory, 'a', 'b')), { code: 'ENOTDIR' })
})

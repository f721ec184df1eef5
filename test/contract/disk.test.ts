/**
 * What any Disk does, run over the real one and the simulated one alike: what the storage engine learns on the
 * simulated disk must hold on the real one. What only a crash shows is in test/unit/sim/.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Disk, DiskDone } from '../../src/env/disk.js'
import { NodeDisk } from '../../src/env/node-disk.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import { completion } from '../support/completion.js'
import type { Completion } from '../support/completion.js'

interface Subject {
  readonly disk: Disk
  readonly directory: string
  /** Starts an operation with a callback and waits for its end. */
  finish(start: (done: DiskDone) => void): Promise<Completion>
}

function nodeSubject(test: Test): Subject {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kindred-disk-'))
  test.teardown(() => fs.rmSync(directory, { recursive: true }))
  return { disk: new NodeDisk(), directory, finish: completion }
}

function simSubject(): Subject {
  const { disk, queue } = SimEnv.fromSeed('contract')
  disk.makeDirectory('/data')
  const finish = async (start: (done: DiskDone) => void): Promise<Completion> => {
    const promise = completion(start)
    await queue.advance(1_000)
    return promise
  }
  return { disk, directory: '/data', finish }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function writeText(disk: Disk, file: number, text: string, position: number): void {
  const bytes = bytesOf(text)
  disk.writeSync(file, bytes, 0, bytes.length, position)
}

function readText(disk: Disk, file: number, position: number, length: number): string {
  const bytes = new Uint8Array(length)
  return new TextDecoder().decode(bytes.subarray(0, disk.readSync(file, bytes, 0, length, position)))
}

function makeFile(disk: Disk, name: string, text: string): void {
  const file = disk.open(name, 'create')
  writeText(disk, file, text, 0)
  disk.close(file)
}

function textOf(disk: Disk, name: string): string {
  const file = disk.open(name, 'read')
  const text = readText(disk, file, 0, disk.sizeBytes(file))
  disk.close(file)
  return text
}

for (const makeSubject of [nodeSubject, simSubject]) {
  const title = makeSubject === nodeSubject ? 'NodeDisk' : 'SimDisk'

  t.test(`${title}: files and positions`, async (t) => {
    t.test('create makes an absent file and never truncates one that is there', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'kept')
      disk.close(disk.open(`${directory}/a`, 'create'))
      t.equal(textOf(disk, `${directory}/a`), 'kept')
    })

    t.test('read and write refuse an absent file with ENOENT', async (t) => {
      const { disk, directory } = makeSubject(t)
      t.throws(() => disk.open(`${directory}/absent`, 'read'), { code: 'ENOENT' })
      t.throws(() => disk.open(`${directory}/absent`, 'write'), { code: 'ENOENT' })
      t.throws(() => disk.open(`${directory}/no-such-folder/a`, 'create'), { code: 'ENOENT' })
    })

    t.test('write changes bytes in place and leaves the others', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'abcdefgh')
      const file = disk.open(`${directory}/a`, 'write')
      writeText(disk, file, 'XY', 3)
      t.equal(readText(disk, file, 0, 8), 'abcXYfgh')
      t.equal(disk.sizeBytes(file), 8)
      disk.close(file)
    })

    t.test('only the named part of the buffer is written and read', async (t) => {
      const { disk, directory } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      disk.writeSync(file, bytesOf('0123456789'), 3, 4, 0)
      t.equal(textOf(disk, `${directory}/a`), '3456')
      const into = bytesOf('..........')
      t.equal(disk.readSync(file, into, 2, 3, 1), 3)
      t.equal(new TextDecoder().decode(into), '..456.....')
      disk.close(file)
    })

    t.test('a read returns fewer bytes only at the end of the file', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'abcdef')
      const file = disk.open(`${directory}/a`, 'read')
      t.equal(readText(disk, file, 4, 100), 'ef')
      t.equal(readText(disk, file, 6, 100), '')
      t.equal(readText(disk, file, 1_000, 100), '')
      t.equal(disk.readSync(file, new Uint8Array(0), 0, 0, 0), 0)
      disk.close(file)
    })

    t.test('a write beyond the end leaves zeros in the gap', async (t) => {
      const { disk, directory } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      writeText(disk, file, 'end', 10_000)
      t.equal(disk.sizeBytes(file), 10_003)
      const gap = new Uint8Array(10_000).fill(1)
      t.equal(disk.readSync(file, gap, 0, 10_000, 0), 10_000)
      t.ok(gap.every((byte) => byte === 0))
      disk.close(file)
    })

    t.test('a write of no bytes changes nothing', async (t) => {
      const { disk, directory } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      disk.writeSync(file, new Uint8Array(0), 0, 0, 100)
      t.equal(disk.sizeBytes(file), 0)
      disk.close(file)
    })

    t.test('large transfers arrive whole, also from shared memory', async (t) => {
      const { disk, directory } = makeSubject(t)
      const bytes = new Uint8Array(new SharedArrayBuffer(3_000_000))
      for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31) % 251
      const file = disk.open(`${directory}/a`, 'create')
      disk.writeSync(file, bytes, 0, bytes.length, 7)
      const back = new Uint8Array(new SharedArrayBuffer(3_000_000))
      t.equal(disk.readSync(file, back, 0, back.length, 7), back.length)
      t.equal(Buffer.compare(bytes, back), 0)
      disk.close(file)
    })

    t.test('truncate cuts, and what it cut reads as zeros when the file grows again', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'abcdefgh')
      const file = disk.open(`${directory}/a`, 'write')
      disk.truncate(file, 3)
      t.equal(disk.sizeBytes(file), 3)
      t.equal(textOf(disk, `${directory}/a`), 'abc')
      disk.truncate(file, 6)
      t.equal(textOf(disk, `${directory}/a`), 'abc\0\0\0')
      disk.close(file)
    })

    t.test('a handle for reading refuses to write', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'abc')
      const file = disk.open(`${directory}/a`, 'read')
      t.throws(() => writeText(disk, file, 'x', 0), { code: 'EBADF' })
      t.throws(() => disk.truncate(file, 0), { code: 'EINVAL' })
      disk.close(file)
      t.equal(textOf(disk, `${directory}/a`), 'abc')
    })

    t.test('a closed handle is refused with EBADF', async (t) => {
      const { disk, directory } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      disk.close(file)
      t.throws(() => disk.syncSync(file), { code: 'EBADF' })
      t.throws(() => disk.close(file), { code: 'EBADF' })
    })

    t.test('two handles of one file see each other', async (t) => {
      const { disk, directory } = makeSubject(t)
      const writer = disk.open(`${directory}/a`, 'create')
      const reader = disk.open(`${directory}/a`, 'read')
      writeText(disk, writer, 'seen', 0)
      t.equal(readText(disk, reader, 0, 10), 'seen')
      disk.close(writer)
      disk.close(reader)
    })
  })

  t.test(`${title}: operations with a callback`, async (t) => {
    t.test('a write, a sync and a read do what their synchronous twins do', async (t) => {
      const { disk, directory, finish } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      const written = await finish((done) => disk.write(file, bytesOf('0123456789'), 2, 5, 4, done))
      t.same(written, { error: null, bytes: 5 })
      t.same(await finish((done) => disk.sync(file, done)), { error: null, bytes: 0 })
      const into = bytesOf('..........')
      t.same(await finish((done) => disk.read(file, into, 1, 4, 5, done)), { error: null, bytes: 4 })
      t.equal(new TextDecoder().decode(into), '.3456.....')
      disk.close(file)
    })

    t.test('a read at the end returns what there is', async (t) => {
      const { disk, directory, finish } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'abc')
      const file = disk.open(`${directory}/a`, 'read')
      const into = new Uint8Array(10)
      t.same(await finish((done) => disk.read(file, into, 0, 10, 1, done)), { error: null, bytes: 2 })
      t.same(await finish((done) => disk.read(file, into, 0, 10, 9, done)), { error: null, bytes: 0 })
      disk.close(file)
    })

    t.test('transfers of no bytes complete', async (t) => {
      const { disk, directory, finish } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      const none = new Uint8Array(0)
      t.same(await finish((done) => disk.write(file, none, 0, 0, 0, done)), { error: null, bytes: 0 })
      t.same(await finish((done) => disk.read(file, none, 0, 0, 0, done)), { error: null, bytes: 0 })
      disk.close(file)
    })

    t.test('no callback comes before the call has returned', async (t) => {
      const { disk, directory, finish } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      let returned = false
      await finish((done) => {
        disk.write(file, new Uint8Array(0), 0, 0, 0, (error, bytes) => {
          t.ok(returned)
          done(error, bytes)
        })
        returned = true
      })
      disk.close(file)
    })

    t.test('writes in flight together all arrive', async (t) => {
      const { disk, directory, finish } = makeSubject(t)
      const file = disk.open(`${directory}/a`, 'create')
      let remaining = 20
      await finish((done) => {
        for (let i = 0; i < 20; i++) {
          disk.write(file, new Uint8Array(1_000).fill(65 + i), 0, 1_000, i * 1_000, (error) => {
            if (--remaining === 0) done(error, 0)
          })
        }
      })
      const expected = Array.from({ length: 20 }, (_, i) => String.fromCharCode(65 + i).repeat(1_000)).join(
        '',
      )
      t.equal(textOf(disk, `${directory}/a`), expected)
      disk.close(file)
    })
  })

  t.test(`${title}: names`, async (t) => {
    t.test('list gives names, not paths, of files and folders', async (t) => {
      const { disk, directory } = makeSubject(t)
      t.same(disk.list(directory), [])
      makeFile(disk, `${directory}/a`, '')
      disk.makeDirectory(`${directory}/b/c`)
      makeFile(disk, `${directory}/b/d`, '')
      t.same(disk.list(directory).sort(), ['a', 'b'])
      t.same(disk.list(`${directory}/b`).sort(), ['c', 'd'])
      t.throws(() => disk.list(`${directory}/absent`), { code: 'ENOENT' })
      t.throws(() => disk.list(`${directory}/a`), { code: 'ENOTDIR' })
    })

    t.test('exists knows files and folders', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, '')
      t.equal(disk.exists(`${directory}/a`), true)
      t.equal(disk.exists(directory), true)
      t.equal(disk.exists(`${directory}/b`), false)
      t.equal(disk.exists(`${directory}/b/c`), false)
    })

    t.test('rename moves a file, replaces what was there, and open handles follow', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/new`, 'new')
      makeFile(disk, `${directory}/current`, 'old')
      const renamed = disk.open(`${directory}/new`, 'write')
      const replaced = disk.open(`${directory}/current`, 'read')
      disk.rename(`${directory}/new`, `${directory}/current`)
      t.same(disk.list(directory), ['current'])
      t.equal(textOf(disk, `${directory}/current`), 'new')
      t.equal(readText(disk, replaced, 0, 10), 'old')
      writeText(disk, renamed, 'NEW', 0)
      t.equal(textOf(disk, `${directory}/current`), 'NEW')
      disk.close(renamed)
      disk.close(replaced)
    })

    t.test('rename works across folders and for folders', async (t) => {
      const { disk, directory } = makeSubject(t)
      disk.makeDirectory(`${directory}/x`)
      makeFile(disk, `${directory}/a`, 'a')
      disk.rename(`${directory}/a`, `${directory}/x/b`)
      disk.rename(`${directory}/x`, `${directory}/y`)
      t.same(disk.list(directory), ['y'])
      t.equal(textOf(disk, `${directory}/y/b`), 'a')
    })

    t.test('rename to itself changes nothing; of something absent it is refused', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'a')
      disk.rename(`${directory}/a`, `${directory}/a`)
      t.equal(textOf(disk, `${directory}/a`), 'a')
      t.throws(() => disk.rename(`${directory}/absent`, `${directory}/a`), { code: 'ENOENT' })
      t.equal(textOf(disk, `${directory}/a`), 'a')
    })

    t.test('rename never puts a file over a folder, nor a folder over a file or a full folder', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/file`, '')
      disk.makeDirectory(`${directory}/folder`)
      disk.makeDirectory(`${directory}/full/inner`)
      t.throws(() => disk.rename(`${directory}/file`, `${directory}/folder`), { code: 'EISDIR' })
      t.throws(() => disk.rename(`${directory}/folder`, `${directory}/file`), { code: 'ENOTDIR' })
      t.throws(() => disk.rename(`${directory}/folder`, `${directory}/full`), { code: 'ENOTEMPTY' })
      t.same(disk.list(directory).sort(), ['file', 'folder', 'full'])
    })

    t.test('a linked file has two names, each of which outlives the other', async (t) => {
      const { disk, directory } = makeSubject(t)
      disk.makeDirectory(`${directory}/folder`)
      makeFile(disk, `${directory}/a`, 'shared')
      disk.link(`${directory}/a`, `${directory}/folder/b`)
      t.throws(() => disk.link(`${directory}/a`, `${directory}/folder/b`), { code: 'EEXIST' })
      t.throws(() => disk.link(`${directory}/absent`, `${directory}/c`), { code: 'ENOENT' })
      t.throws(() => disk.link(`${directory}/a`, `${directory}/absent/c`), { code: 'ENOENT' })
      disk.unlink(`${directory}/a`)
      t.equal(textOf(disk, `${directory}/folder/b`), 'shared')
      t.same(disk.list(directory), ['folder'])
    })

    t.test('removeDirectory takes empty folders only', async (t) => {
      const { disk, directory } = makeSubject(t)
      disk.makeDirectory(`${directory}/folder`)
      makeFile(disk, `${directory}/folder/a`, '')
      t.throws(() => disk.removeDirectory(`${directory}/folder`), { code: 'ENOTEMPTY' })
      t.throws(() => disk.removeDirectory(`${directory}/folder/a`), { code: 'ENOTDIR' })
      t.throws(() => disk.removeDirectory(`${directory}/absent`), { code: 'ENOENT' })
      disk.unlink(`${directory}/folder/a`)
      disk.removeDirectory(`${directory}/folder`)
      t.same(disk.list(directory), [])
    })

    t.test('an unlinked file can be read through its open handle', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, 'still here')
      const file = disk.open(`${directory}/a`, 'read')
      disk.unlink(`${directory}/a`)
      t.equal(disk.exists(`${directory}/a`), false)
      t.equal(readText(disk, file, 0, 100), 'still here')
      makeFile(disk, `${directory}/a`, 'another')
      t.equal(readText(disk, file, 0, 100), 'still here')
      disk.close(file)
      t.throws(() => disk.unlink(`${directory}/absent`), { code: 'ENOENT' })
    })

    t.test('makeDirectory makes missing parents and accepts what is there', async (t) => {
      const { disk, directory } = makeSubject(t)
      disk.makeDirectory(`${directory}/x/y/z`)
      disk.makeDirectory(`${directory}/x/y/z`)
      t.same(disk.list(`${directory}/x/y`), ['z'])
      makeFile(disk, `${directory}/file`, '')
      t.throws(() => disk.makeDirectory(`${directory}/file`), { code: 'EEXIST' })
      t.throws(() => disk.makeDirectory(`${directory}/file/x`), { code: 'ENOTDIR' })
    })

    t.test('syncDirectory takes folders only', async (t) => {
      const { disk, directory } = makeSubject(t)
      makeFile(disk, `${directory}/a`, '')
      disk.syncDirectory(directory)
      t.throws(() => disk.syncDirectory(`${directory}/absent`), { code: 'ENOENT' })
      t.throws(() => disk.syncDirectory(`${directory}/a`), { code: 'ENOTDIR' })
    })

    t.test('freeBytes is a positive number of bytes', async (t) => {
      const { disk, directory } = makeSubject(t)
      const free = disk.freeBytes(directory)
      t.ok(Number.isSafeInteger(free) && free > 0, `${free}`)
      t.throws(() => disk.freeBytes(`${directory}/absent`), { code: 'ENOENT' })
    })
  })
}

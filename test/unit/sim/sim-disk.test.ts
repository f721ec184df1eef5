/**
 * What the simulated disk takes away, and what it never may: each sentence about durability has a test that shows
 * it. The random crash is tested by what is seen over many seeds: every outcome that is allowed, and no other.
 */
import t from 'tap'
import { SimEnv } from '../../../src/sim/sim-env.js'
import { SimDisk } from '../../../src/sim/sim-disk.js'
import { SimRandom } from '../../../src/sim/sim-random.js'
import { completion } from '../../support/completion.js'

const SEEDS = 400

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function writeText(disk: SimDisk, file: number, text: string, position: number): void {
  const bytes = bytesOf(text)
  disk.writeSync(file, bytes, 0, bytes.length, position)
}

function textOf(disk: SimDisk, path: string): string {
  const file = disk.open(path, 'read')
  const bytes = new Uint8Array(disk.sizeBytes(file))
  disk.readSync(file, bytes, 0, bytes.length, 0)
  disk.close(file)
  return new TextDecoder().decode(bytes)
}

/** The file's text, or null when its name is gone. */
function textOrNull(disk: SimDisk, path: string): string | null {
  return disk.exists(path) ? textOf(disk, path) : null
}

/** A disk with `/a` of this text, content and name durable. */
function diskWith(text: string, seed: number | string = 'sim-disk'): SimDisk {
  const { disk } = SimEnv.fromSeed(seed)
  const file = disk.open('/a', 'create')
  writeText(disk, file, text, 0)
  disk.syncSync(file)
  disk.close(file)
  disk.syncDirectory('/')
  return disk
}

/** All that `look` sees after random crashes of clones of the disk. */
function outcomes(disk: SimDisk, look: (crashed: SimDisk) => string | null): Set<string | null> {
  const seen = new Set<string | null>()
  for (let seed = 0; seed < SEEDS; seed++) {
    const twin = disk.clone()
    twin.crash('random', new SimRandom(seed))
    seen.add(look(twin))
  }
  return seen
}

t.test('what a crash loses of a file', async (t) => {
  t.test('synced bytes are kept and unsynced ones lost', async (t) => {
    const disk = diskWith('synced')
    const file = disk.open('/a', 'write')
    writeText(disk, file, ' and not', 6)
    t.equal(textOf(disk, '/a'), 'synced and not')
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'synced')
  })

  t.test('an unsynced overwrite gives the old bytes back', async (t) => {
    const disk = diskWith('old')
    writeText(disk, disk.open('/a', 'write'), 'new', 0)
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'old')
  })

  t.test('a cut that was not synced is undone', async (t) => {
    const disk = diskWith('long text')
    disk.truncate(disk.open('/a', 'write'), 4)
    t.equal(textOf(disk, '/a'), 'long')
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'long text')
  })

  t.test('a sync covers one file and not another', async (t) => {
    const disk = diskWith('a')
    const b = disk.open('/b', 'create')
    disk.syncDirectory('/')
    writeText(disk, b, 'b', 0)
    const a = disk.open('/a', 'write')
    writeText(disk, a, 'A', 0)
    disk.syncSync(a)
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'A')
    t.equal(textOf(disk, '/b'), '')
  })

  t.test('a sync through one handle covers writes through another', async (t) => {
    const disk = diskWith('')
    writeText(disk, disk.open('/a', 'write'), 'x', 0)
    disk.syncSync(disk.open('/a', 'read'))
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'x')
  })

  t.test('handles are invalid afterwards', async (t) => {
    const disk = diskWith('x')
    const file = disk.open('/a', 'write')
    disk.crash('lose-all')
    t.throws(() => disk.syncSync(file), { code: 'EBADF' })
  })

  t.test('when only the process dies everything stays, and is still not synced', async (t) => {
    const disk = diskWith('old')
    writeText(disk, disk.open('/a', 'write'), 'new', 0)
    disk.close(disk.open('/b', 'create'))
    disk.crash('keep-all')
    t.equal(textOf(disk, '/a'), 'new')
    t.equal(disk.exists('/b'), true)
    t.equal(disk.hasUnsyncedChanges, true)
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'old')
    t.equal(disk.exists('/b'), false)
  })
})

t.test('what a random crash may leave of a file', async (t) => {
  t.test('an append survives whole, not at all, as zeros, or in part', async (t) => {
    const disk = diskWith('start')
    writeText(disk, disk.open('/a', 'write'), '-appended', 5)
    const seen = outcomes(disk, (crashed) => textOf(crashed, '/a'))
    t.ok(seen.has('start-appended'))
    t.ok(seen.has('start'))
    t.ok(seen.has('start' + '\0'.repeat(9)))
    t.ok(
      [...seen].some((text) => text !== null && /^start-[a-z]+\0+$/.test(text)),
      'torn at a byte',
    )
    for (const text of seen) t.match(text, /^start/, 'synced bytes stay')
  })

  t.test('sectors of one write survive independently', async (t) => {
    const disk = diskWith('.'.repeat(4 * 512))
    writeText(disk, disk.open('/a', 'write'), 'X'.repeat(4 * 512), 0)
    const whole = outcomes(
      disk,
      (crashed) =>
        textOf(crashed, '/a')
          .match(/.{512}/g)
          ?.join('|') ?? null,
    )
    const patterns = new Set([...whole].map((text) => text?.split('|').map(sectorKind).join('')))
    for (const pattern of ['....', 'XXXX', 'X...', '...X', 'X.X.', '.XX.'])
      t.ok(patterns.has(pattern), pattern)
    t.ok(
      [...patterns].some((pattern) => pattern?.includes('t')),
      'a sector torn at a byte',
    )
  })

  t.test('a later write may survive an earlier one elsewhere', async (t) => {
    const disk = diskWith('.'.repeat(1024))
    const file = disk.open('/a', 'write')
    writeText(disk, file, '1', 0)
    writeText(disk, file, '2', 512)
    const seen = outcomes(disk, (crashed) => textOf(crashed, '/a').replaceAll('.', ''))
    t.same([...seen].sort(), ['', '1', '12', '2'])
  })

  t.test('of two writes to one byte the second never turns back into the first before it', async (t) => {
    const disk = diskWith('0')
    const file = disk.open('/a', 'write')
    for (const text of ['1', '2', '3']) writeText(disk, file, text, 0)
    t.same([...outcomes(disk, (crashed) => textOf(crashed, '/a'))].sort(), ['0', '1', '2', '3'])
    disk.syncSync(file)
    t.same([...outcomes(disk, (crashed) => textOf(crashed, '/a'))], ['3'])
  })

  t.test('no byte of before a cut comes back behind it', async (t) => {
    const disk = diskWith('secret')
    const file = disk.open('/a', 'write')
    disk.truncate(file, 0)
    writeText(disk, file, 'ab', 0)
    const seen = outcomes(disk, (crashed) => textOf(crashed, '/a'))
    for (const text of seen) t.match(text, /^(secret|[a\0]?[b\0]?)$/)
    t.ok(seen.has('secret') && seen.has('') && seen.has('ab') && seen.has('\0\0'))
  })

  t.test('a sync leaves nothing to chance', async (t) => {
    const disk = diskWith('')
    const file = disk.open('/a', 'write')
    for (let i = 0; i < 20; i++) writeText(disk, file, `line ${i}\n`.repeat(100), i * 600)
    disk.truncate(file, 11_000)
    const text = textOf(disk, '/a')
    disk.syncSync(file)
    t.equal(disk.hasUnsyncedChanges, false)
    t.same([...outcomes(disk, (crashed) => textOf(crashed, '/a'))], [text])
  })
})

t.test('what a crash loses of names', async (t) => {
  t.test(
    "a created file is gone without its directory's sync, however well its bytes are synced",
    async (t) => {
      const disk = diskWith('')
      const file = disk.open('/b', 'create')
      writeText(disk, file, 'bytes', 0)
      disk.syncSync(file)
      const twin = disk.clone()
      twin.crash('lose-all')
      t.equal(twin.exists('/b'), false)
      disk.syncDirectory('/')
      disk.crash('lose-all')
      t.equal(textOf(disk, '/b'), 'bytes')
    },
  )

  t.test("a directory's sync keeps the name and not the bytes", async (t) => {
    const disk = diskWith('')
    writeText(disk, disk.open('/b', 'create'), 'bytes', 0)
    disk.syncDirectory('/')
    disk.crash('lose-all')
    t.equal(textOf(disk, '/b'), '')
  })

  t.test('an unlinked file is back without the sync, bytes included, and gone with it', async (t) => {
    const disk = diskWith('back')
    disk.unlink('/a')
    const twin = disk.clone()
    twin.crash('lose-all')
    t.equal(textOf(twin, '/a'), 'back')
    disk.syncDirectory('/')
    disk.crash('lose-all')
    t.equal(disk.exists('/a'), false)
  })

  t.test('a rename without the sync is undone whole', async (t) => {
    const disk = diskWith('old')
    const file = disk.open('/tmp', 'create')
    writeText(disk, file, 'new', 0)
    disk.syncSync(file)
    disk.syncDirectory('/')
    disk.rename('/tmp', '/a')
    t.equal(textOf(disk, '/a'), 'new')
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'old')
    t.equal(textOf(disk, '/tmp'), 'new')
  })

  t.test('a rename is never half done, also across folders', async (t) => {
    const disk = diskWith('old')
    disk.makeDirectory('/folder')
    const file = disk.open('/folder/tmp', 'create')
    writeText(disk, file, 'new', 0)
    disk.syncSync(file)
    disk.syncDirectory('/folder')
    disk.syncDirectory('/')
    disk.rename('/folder/tmp', '/a')
    const seen = outcomes(
      disk,
      (crashed) => `${textOrNull(crashed, '/folder/tmp')} ${textOrNull(crashed, '/a')}`,
    )
    t.same([...seen].sort(), ['new old', 'null new'])
  })

  t.test('a rename may survive while the bytes of the file do not', async (t) => {
    const disk = diskWith('old')
    writeText(disk, disk.open('/tmp', 'create'), 'new', 0)
    disk.rename('/tmp', '/a')
    const seen = outcomes(disk, (crashed) => textOrNull(crashed, '/a'))
    for (const text of ['old', 'new', '', '\0\0\0']) t.ok(seen.has(text), JSON.stringify(text))
  })

  t.test('changes to different names survive in any order', async (t) => {
    const disk = diskWith('manifest 1')
    disk.rename('/a', '/manifest-1')
    disk.syncDirectory('/')
    disk.close(disk.open('/current', 'create'))
    disk.unlink('/manifest-1')
    const seen = outcomes(disk, (crashed) => crashed.list('/').sort().join())
    t.same([...seen].sort(), ['', 'current', 'current,manifest-1', 'manifest-1'])
  })

  t.test('changes to one name survive in order', async (t) => {
    const disk = diskWith('1')
    disk.unlink('/a')
    const file = disk.open('/a', 'create')
    writeText(disk, file, '2', 0)
    disk.syncSync(file)
    disk.rename('/a', '/b')
    const seen = outcomes(disk, (crashed) => `${textOrNull(crashed, '/a')} ${textOrNull(crashed, '/b')}`)
    t.same([...seen].sort(), ['1 null', '2 null', 'null 2', 'null null'])
  })

  t.test("a new folder and all in it hang on its parent's sync", async (t) => {
    const disk = diskWith('')
    disk.makeDirectory('/x/y')
    const file = disk.open('/x/y/b', 'create')
    writeText(disk, file, 'b', 0)
    disk.syncSync(file)
    disk.syncDirectory('/x/y')
    disk.syncDirectory('/x')
    const twin = disk.clone()
    twin.crash('lose-all')
    t.equal(twin.exists('/x'), false)
    disk.syncDirectory('/')
    disk.crash('lose-all')
    t.equal(textOf(disk, '/x/y/b'), 'b')
  })

  t.test('a sync of the target folder carries along what a rename between folders builds on', async (t) => {
    const disk = diskWith('')
    disk.makeDirectory('/x')
    disk.syncDirectory('/')
    const file = disk.open('/tmp', 'create')
    writeText(disk, file, 'moved', 0)
    disk.syncSync(file)
    disk.rename('/tmp', '/x/b')
    disk.syncDirectory('/x')
    t.equal(disk.hasUnsyncedChanges, false)
    disk.crash('random')
    t.same(disk.list('/').sort(), ['a', 'x'])
    t.equal(textOf(disk, '/x/b'), 'moved')
  })
})

t.test('failing operations', async (t) => {
  t.test('the n-th operation from now fails, once, and changes nothing but a write', async (t) => {
    const disk = diskWith('text')
    disk.failAt(2, 'EIO')
    t.equal(disk.exists('/a'), true)
    t.throws(() => disk.unlink('/a'), { code: 'EIO' })
    t.equal(textOf(disk, '/a'), 'text')
    disk.unlink('/a')
    t.equal(disk.exists('/a'), false)
  })

  t.test('a fault can be aimed at one kind of operation and strike several times', async (t) => {
    const disk = diskWith('text')
    disk.failAt(1, 'EIO', 'rename', 2)
    t.equal(textOf(disk, '/a'), 'text')
    t.throws(() => disk.rename('/a', '/b'), { code: 'EIO' })
    t.throws(() => disk.rename('/a', '/b'), { code: 'EIO' })
    disk.rename('/a', '/b')
    t.equal(textOf(disk, '/b'), 'text')
  })

  t.test('every kind of operation can fail with EIO', async (t) => {
    const attempts: Record<string, (disk: SimDisk, file: number) => unknown> = {
      open: (disk) => disk.open('/a', 'read'),
      create: (disk) => disk.open('/new', 'create'),
      read: (disk, file) => disk.readSync(file, new Uint8Array(1), 0, 1, 0),
      write: (disk, file) => disk.writeSync(file, new Uint8Array(1), 0, 1, 0),
      sync: (disk, file) => disk.syncSync(file),
      size: (disk, file) => disk.sizeBytes(file),
      truncate: (disk, file) => disk.truncate(file, 0),
      rename: (disk) => disk.rename('/a', '/b'),
      unlink: (disk) => disk.unlink('/a'),
      exists: (disk) => disk.exists('/a'),
      list: (disk) => disk.list('/'),
      makeDirectory: (disk) => disk.makeDirectory('/x'),
      syncDirectory: (disk) => disk.syncDirectory('/'),
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      const disk = diskWith('text')
      const file = disk.open('/a', 'write')
      disk.failAt(1, 'EIO')
      t.throws(() => attempt(disk, file), { code: 'EIO' }, name)
      t.doesNotThrow(() => attempt(disk, file), `${name} once more`)
    }
  })

  t.test('ENOSPC spares operations that need no room', async (t) => {
    const disk = diskWith('text')
    disk.failAt(1, 'ENOSPC')
    t.equal(disk.exists('/a'), true)
    const file = disk.open('/a', 'write')
    disk.failAt(1, 'ENOSPC')
    t.throws(() => writeText(disk, file, 'x', 0), { code: 'ENOSPC' })
  })

  t.test('a failed write leaves some first part of its bytes', async (t) => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < SEEDS; seed++) {
      const disk = diskWith('', seed)
      const file = disk.open('/a', 'write')
      disk.failAt(1, 'EIO')
      t.throws(() => writeText(disk, file, 'abcdefgh', 0), { code: 'EIO' })
      const text = textOf(disk, '/a')
      t.equal('abcdefgh'.slice(0, text.length), text)
      lengths.add(text.length)
    }
    t.equal(lengths.size, 9, 'none, all, and every part between')
  })

  t.test(
    'after a failed sync readers see the bytes, the next sync succeeds, and a crash loses them',
    async (t) => {
      const disk = diskWith('old')
      const file = disk.open('/a', 'write')
      writeText(disk, file, 'new', 0)
      disk.failAt(1, 'EIO', 'sync')
      t.throws(() => disk.syncSync(file), { code: 'EIO' })
      t.equal(textOf(disk, '/a'), 'new')
      disk.syncSync(file)
      t.equal(textOf(disk, '/a'), 'new')
      t.equal(disk.hasUnsyncedChanges, true)
      t.same([...outcomes(disk, (crashed) => textOf(crashed, '/a'))], ['old'])
    },
  )

  t.test('what a failed sync lost vanishes from the cache too when the kernel drops it', async (t) => {
    const disk = diskWith('old')
    const file = disk.open('/a', 'write')
    writeText(disk, file, 'new', 0)
    disk.failAt(1, 'EIO', 'sync')
    t.throws(() => disk.syncSync(file), { code: 'EIO' })
    disk.dropCaches()
    t.equal(textOf(disk, '/a'), 'old')
  })

  t.test('bytes of a failed sync may have arrived as long as nothing else was synced', async (t) => {
    const disk = diskWith('old')
    const file = disk.open('/a', 'write')
    writeText(disk, file, 'new', 0)
    disk.failAt(1, 'EIO', 'sync')
    t.throws(() => disk.syncSync(file), { code: 'EIO' })
    const seen = outcomes(disk, (crashed) => textOf(crashed, '/a'))
    t.ok(seen.has('old') && seen.has('new'))
  })

  t.test('a new write to the page of a failed sync makes the whole page dirty again', async (t) => {
    const disk = diskWith('.'.repeat(8192))
    const file = disk.open('/a', 'write')
    writeText(disk, file, '1', 0)
    writeText(disk, file, '2', 4096)
    disk.failAt(1, 'EIO', 'sync')
    t.throws(() => disk.syncSync(file), { code: 'EIO' })
    writeText(disk, file, '3', 100)
    disk.syncSync(file)
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a').replaceAll('.', ''), '13')
  })

  t.test(
    "after a directory's failed sync the next one succeeds without making its names durable",
    async (t) => {
      const disk = diskWith('')
      disk.close(disk.open('/b', 'create'))
      disk.failAt(1, 'EIO', 'sync-directory')
      t.throws(() => disk.syncDirectory('/'), { code: 'EIO' })
      disk.syncDirectory('/')
      const twin = disk.clone()
      twin.crash('lose-all')
      t.same(twin.list('/'), ['a'])
      disk.close(disk.open('/c', 'create'))
      disk.syncDirectory('/')
      disk.crash('lose-all')
      t.same(disk.list('/').sort(), ['a', 'b', 'c'], 'until another name changes there')
    },
  )

  t.test('bad ranges fail to be read until healed, and only they', async (t) => {
    const disk = diskWith('0123456789')
    const file = disk.open('/a', 'read')
    const into = new Uint8Array(10)
    disk.failReads('/a', 4, 6)
    t.equal(disk.readSync(file, into, 0, 4, 0), 4)
    t.equal(disk.readSync(file, into, 0, 4, 6), 4)
    t.throws(() => disk.readSync(file, into, 0, 5, 0), { code: 'EIO' })
    disk.crash('lose-all')
    t.throws(() => textOf(disk, '/a'), { code: 'EIO' })
    disk.healReads('/a')
    t.equal(textOf(disk, '/a'), '0123456789')
  })

  t.test('a flipped bit stays flipped', async (t) => {
    const disk = diskWith('AAAA')
    disk.flipBit('/a', 2, 1)
    t.equal(textOf(disk, '/a'), 'AACA')
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'AACA')
  })
})

t.test('a full disk', async (t) => {
  t.test('refuses what needs new pages, takes what does not, and recovers when there is room', async (t) => {
    const disk = diskWith('x'.repeat(4096))
    disk.setCapacity(8192)
    t.equal(disk.freeBytes('/'), 4096)
    const file = disk.open('/a', 'write')
    t.throws(() => writeText(disk, file, 'y'.repeat(8192), 4096), { code: 'ENOSPC' })
    writeText(disk, file, 'z', 0)
    t.equal(textOf(disk, '/a')[0], 'z')
    disk.setCapacity(12_288)
    writeText(disk, file, 'y'.repeat(8192), 4096)
    t.equal(disk.freeBytes('/'), 0)
  })

  t.test('the room of a removed file is free once it is closed', async (t) => {
    const disk = diskWith('x'.repeat(4096))
    const file = disk.open('/a', 'read')
    disk.unlink('/a')
    t.equal(disk.usedBytes, 4096)
    disk.close(file)
    t.equal(disk.usedBytes, 0)
  })

  t.test('a cut and a replaced file give their room back', async (t) => {
    const disk = diskWith('x'.repeat(8192))
    const file = disk.open('/a', 'write')
    disk.truncate(file, 1)
    t.equal(disk.usedBytes, 4096)
    disk.close(file)
    disk.close(disk.open('/b', 'create'))
    disk.rename('/b', '/a')
    t.equal(disk.usedBytes, 0)
  })
})

t.test('power cuts', async (t) => {
  t.test('the operation under way is made unsynced, and nothing runs afterwards', async (t) => {
    const disk = diskWith('old')
    const file = disk.open('/a', 'write')
    disk.powerOffAt(1, 'write')
    t.throws(() => writeText(disk, file, 'new', 0), { name: 'MachineOff' })
    t.throws(() => disk.exists('/a'), { name: 'MachineOff' })
    t.throws(() => disk.close(file), { name: 'MachineOff' })
    t.same([...outcomes(disk, (crashed) => textOf(crashed, '/a'))].includes('new'), true)
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'old')
  })

  t.test('a sync under way makes nothing durable for certain', async (t) => {
    const disk = diskWith('old')
    const file = disk.open('/a', 'write')
    writeText(disk, file, 'new', 0)
    disk.powerOffAt(1)
    t.throws(() => disk.syncSync(file), { name: 'MachineOff' })
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), 'old')
  })

  t.test('callbacks of the life before never come', async (t) => {
    const { disk, queue } = SimEnv.fromSeed('callbacks')
    const file = disk.open('/a', 'create')
    let called = false
    disk.write(file, bytesOf('x'), 0, 1, 0, () => (called = true))
    disk.crash('lose-all')
    queue.advanceSync(1_000)
    t.equal(called, false)
    t.equal(disk.exists('/a'), false)
  })

  t.test('a reboot leaves the old world dead and its timers silent', async (t) => {
    const old = SimEnv.fromSeed('reboot')
    old.disk.makeDirectory('/d')
    old.disk.syncDirectory('/')
    let fired = false
    old.clock.after(10, () => (fired = true))
    const next = old.reboot('lose-all')
    next.queue.advanceSync(100)
    t.equal(fired, false)
    t.throws(() => old.disk.exists('/d'), { name: 'MachineOff' })
    t.equal(next.disk.exists('/d'), true)
    t.equal(next.clock.monotonicMs(), 100)
  })
})

t.test('operations with a callback', async (t) => {
  t.test('take effect later and complete in an order that depends on the seed', async (t) => {
    const orders = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const { disk, queue } = SimEnv.fromSeed(seed)
      const file = disk.open('/a', 'create')
      let order = ''
      for (const text of ['1', '2', '3']) disk.write(file, bytesOf(text), 0, 1, 0, () => (order += text))
      t.equal(textOf(disk, '/a'), '', 'nothing has happened yet')
      queue.advanceSync(1_000)
      t.equal(textOf(disk, '/a'), order.at(-1), 'the last to complete wins')
      orders.add(order)
    }
    t.ok(orders.size > 3)
  })

  t.test('a sync covers what had completed when it was called, and nothing later', async (t) => {
    const { disk, queue } = SimEnv.fromSeed('sync')
    const file = disk.open('/a', 'create')
    disk.syncDirectory('/')
    writeText(disk, file, '1', 0)
    const synced = completion((done) => disk.sync(file, done))
    writeText(disk, file, '2', 1)
    await queue.advance(1_000)
    t.same(await synced, { error: null, bytes: 0 })
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), '1')
  })

  t.test('errors reach the callback', async (t) => {
    const { disk, queue } = SimEnv.fromSeed('errors')
    const file = disk.open('/a', 'create')
    disk.failAt(1, 'EIO', 'sync')
    disk.failAt(1, 'ENOSPC', 'write')
    const results = [
      completion((done) => disk.write(file, bytesOf('x'), 0, 1, 0, done)),
      completion((done) => disk.sync(file, done)),
    ]
    await queue.advance(1_000)
    t.match(await Promise.all(results), [{ error: { code: 'ENOSPC' } }, { error: { code: 'EIO' } }])
  })

  t.test('a write in flight at the crash may have happened', async (t) => {
    const { disk } = SimEnv.fromSeed('in-flight')
    const file = disk.open('/a', 'create')
    disk.syncDirectory('/')
    disk.write(file, bytesOf('x'), 0, 1, 0, () => {})
    const seen = outcomes(disk, (crashed) => textOf(crashed, '/a'))
    t.same([...seen].sort(), ['', '\0', 'x'])
    disk.crash('lose-all')
    t.equal(textOf(disk, '/a'), '')
  })

  t.test('closing a file with operations in flight is a bug and said', async (t) => {
    const { disk } = SimEnv.fromSeed('close')
    const file = disk.open('/a', 'create')
    disk.sync(file, () => {})
    t.throws(() => disk.close(file), { name: 'AssertionError' })
  })
})

t.test('repeatability', async (t) => {
  function run(seed: number): number {
    const { disk, queue, random } = SimEnv.fromSeed(seed)
    for (let i = 0; i < 200; i++) {
      const file = disk.open(`/${random.below(5)}`, 'create')
      disk.write(file, new Uint8Array(random.below(2_000)), 0, 0, 0, () => {})
      writeText(disk, file, 'x'.repeat(random.below(2_000)), random.below(5_000))
      queue.advanceSync(5)
      if (random.chance(0.3)) disk.syncSync(file)
      if (random.chance(0.2)) disk.syncDirectory('/')
      disk.close(file)
      if (random.chance(0.1)) disk.crash('random')
      for (const name of disk.list('/')) disk.trace.add(textOf(disk, `/${name}`))
    }
    return disk.trace.hash
  }

  t.test('the same seed gives the same trace and contents, another seed others', async (t) => {
    t.equal(run(1), run(1))
    t.not(run(1), run(2))
  })

  t.test('a clone lives on its own', async (t) => {
    const disk = diskWith('one')
    const twin = disk.clone()
    const file = twin.open('/a', 'write')
    writeText(twin, file, 'two', 0)
    twin.syncSync(file)
    twin.unlink('/a')
    t.equal(textOf(disk, '/a'), 'one')
    writeText(disk, disk.open('/a', 'write'), 'ONE', 0)
    twin.crash('lose-all')
    t.equal(textOf(twin, '/a'), 'two')
    t.equal(textOf(disk, '/a'), 'ONE')
  })

  t.test('operations are counted and announced, so that a test can crash a clone before each', async (t) => {
    const disk = diskWith('')
    const before = disk.operations
    const lines: string[] = []
    const sizes: number[] = []
    disk.onOperation = (_, line) => {
      lines.push(line)
      const twin = disk.clone()
      twin.crash('keep-all')
      sizes.push(textOf(twin, '/a').length)
    }
    const file = disk.open('/a', 'write')
    writeText(disk, file, 'abc', 0)
    disk.syncSync(file)
    t.equal(disk.operations, before + 3)
    t.same(
      lines.map((line) => line.replace(/^\d+ /, '')),
      ['open /a', 'write /a @0+3', 'sync /a'],
    )
    t.same(sizes, [0, 0, 3])
  })
})

function sectorKind(sector: string): string {
  if (/^\.+$/.test(sector)) return '.'
  return /^X+$/.test(sector) ? 'X' : 't'
}

import t from 'tap'
import { UNLIMITED_PACE } from '../../../../src/storage/compaction/pace.js'
import { runPrepare } from '../../../../src/storage/jobs/prepare-job.js'
import { LOG_PAGE_BYTES, spareMark } from '../../../../src/storage/log/segment-format.js'
import { MemoryDisk, diskError } from '../memory-disk.js'

const PATH = '/data/000003.log'
const SIZE_BYTES = 9 * 1024 * 1024 + 5

t.test('the file is full of zeros and durable, whatever was there before', async (t) => {
  const disk = new MemoryDisk()
  disk.put(PATH, Buffer.alloc(SIZE_BYTES + 100, 'x'))
  runPrepare(disk, { path: PATH, sizeBytes: SIZE_BYTES, oldPath: null }, UNLIMITED_PACE)
  t.ok(disk.contents(PATH).equals(Buffer.alloc(SIZE_BYTES)))
  t.ok(
    disk
      .afterCrash(() => true, 'synced')
      .contents(PATH)
      .equals(Buffer.alloc(SIZE_BYTES)),
  )
  t.equal(disk.openFiles, 0)
})

t.test('W1 a log that is used again is never without its mark under its new name', async (t) => {
  const oldPath = '/data/000002.log'
  const old = Buffer.alloc(10_000, 'x')
  const marked = Buffer.concat([spareMark(), old.subarray(LOG_PAGE_BYTES)])
  const seen = new Set<string>()
  for (let stopAt = 1; stopAt < 10; stopAt++) {
    const disk = new MemoryDisk()
    disk.put(oldPath, old)
    let operations = 0
    disk.onOperation = (_operation, name) => {
      if (++operations === stopAt) throw diskError('EIO', name)
    }
    try {
      runPrepare(disk, { path: PATH, sizeBytes: old.length, oldPath }, UNLIMITED_PACE)
      t.equal(disk.exists(oldPath), false)
    } catch (error) {
      t.match(error, { code: 'EIO' })
    }
    t.equal(disk.openFiles, 0)
    for (const keep of [true, false]) {
      const after = disk.afterCrash(() => keep, 'synced')
      if (after.exists(PATH)) t.ok(after.contents(PATH).equals(marked), `stopped at ${stopAt}`)
      seen.add(after.exists(PATH) ? 'new name' : 'old name')
    }
  }
  t.same([...seen].sort(), ['new name', 'old name'])
})

t.test('when the disk is full the file is removed', async (t) => {
  const disk = new MemoryDisk()
  disk.onOperation = (operation, name) => {
    if (operation === 5) throw diskError('ENOSPC', name)
  }
  t.throws(() => runPrepare(disk, { path: PATH, sizeBytes: SIZE_BYTES, oldPath: null }, UNLIMITED_PACE), {
    code: 'ENOSPC',
  })
  t.equal(disk.exists(PATH), false)
  t.equal(disk.openFiles, 0)
})

import t from 'tap'
import { UNLIMITED_PACE } from '../../../../src/storage/compaction/pace.js'
import { runPrepare } from '../../../../src/storage/jobs/prepare-job.js'
import { MemoryDisk, diskError } from '../memory-disk.js'

const PATH = '/data/000003.log'
const SIZE_BYTES = 9 * 1024 * 1024 + 5

t.test('the file is full of zeros and durable, whatever was there before', async (t) => {
  const disk = new MemoryDisk()
  disk.put(PATH, Buffer.alloc(SIZE_BYTES + 100, 'x'))
  runPrepare(disk, { path: PATH, sizeBytes: SIZE_BYTES }, UNLIMITED_PACE)
  t.ok(disk.contents(PATH).equals(Buffer.alloc(SIZE_BYTES)))
  t.ok(
    disk
      .afterCrash(() => true, 'synced')
      .contents(PATH)
      .equals(Buffer.alloc(SIZE_BYTES)),
  )
  t.equal(disk.openFiles, 0)
})

t.test('when the disk is full the file is removed', async (t) => {
  const disk = new MemoryDisk()
  disk.onOperation = (operation, name) => {
    if (operation === 5) throw diskError('ENOSPC', name)
  }
  t.throws(() => runPrepare(disk, { path: PATH, sizeBytes: SIZE_BYTES }, UNLIMITED_PACE), { code: 'ENOSPC' })
  t.equal(disk.exists(PATH), false)
  t.equal(disk.openFiles, 0)
})

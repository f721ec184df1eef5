import t from 'tap'
import { parentsOf, syncParents } from '../../../src/storage/data-directory.js'
import { SimEnv } from '../../../src/sim/sim-env.js'

t.test('the parents of a path are named from the nearest one up', async (t) => {
  t.same(parentsOf('/var/lib/kindred'), ['/var/lib', '/var', '/'])
  t.same(parentsOf('/data/'), ['/'])
  t.same(parentsOf('data'), ['.'])
  t.same(parentsOf('./a//b/'), ['./a', '.'])
  t.same(parentsOf('../a'), ['..', '.'])
})

t.test(
  'a directory whose parents were synced survives a crash, with or without the ones in between',
  async (t) => {
    for (const syncs of [true, false]) {
      const env = SimEnv.fromSeed(`parents ${syncs}`)
      env.disk.makeDirectory('/a/b/c')
      if (syncs) syncParents(env.disk, env.log, '/a/b/c')
      t.equal(env.reboot('lose-all').disk.exists('/a/b/c'), syncs)
    }
  },
)

t.test('a parent that may not be opened is passed over, a disk that fails is not', async (t) => {
  const { disk, log } = SimEnv.fromSeed('parents that fail')
  disk.makeDirectory('/a/b')
  const refusing = Object.assign(Object.create(disk) as typeof disk, {
    syncDirectory: (path: string) => {
      if (path === '/') throw Object.assign(new Error('not yours'), { code: 'EACCES' })
      disk.syncDirectory(path)
    },
  })
  syncParents(refusing, log, '/a/b')
  t.equal(log.of('parent directory not synced').length, 1)
  disk.failAt(1, 'EIO', 'sync-directory')
  t.throws(() => syncParents(disk, log, '/a/b'), { code: 'EIO' })
})

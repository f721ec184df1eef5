import t from 'tap'
import * as levels from '../../../src/coordinator/consistency-level.js'

t.test('every level has a name that leads back to it, in any case', (t) => {
  for (let level = 1; level <= levels.LEVEL_NAMES.length; level++) {
    const name = levels.levelName(level)
    t.equal(levels.levelNamed(name), level)
    t.equal(levels.levelNamed(name.toLowerCase()), level)
  }
  for (const name of ['', 'DEFAULT', 'THREE', 'ONE ']) t.equal(levels.levelNamed(name), levels.LEVEL_DEFAULT)
  t.end()
})

t.test('a level asks for no more replicas than there are', (t) => {
  const asked = (replicas: number) =>
    levels.LEVEL_NAMES.map((name) => levels.replicasAsked(levels.levelNamed(name), replicas))
  t.same(levels.LEVEL_NAMES, ['ONE', 'TWO', 'QUORUM', 'ALL', 'LOCAL_QUORUM', 'EACH_QUORUM', 'LOCAL_ONE'])
  t.same(asked(1), [1, 1, 1, 1, 1, 1, 1])
  t.same(asked(2), [1, 2, 2, 2, 2, 2, 1])
  t.same(asked(3), [1, 2, 2, 3, 2, 2, 1])
  t.same(asked(5), [1, 2, 3, 5, 3, 3, 1])
  t.end()
})

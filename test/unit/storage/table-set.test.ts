import t from 'tap'
import { BLOCK_BYTES } from '../../../src/storage/table/block-format.js'
import { Seeded } from '../../support/seeded.js'
import { Tree } from './random-tree.js'

t.test('T6 a lookup finds the entry of the highest sequence, in whatever table it lies', async (t) => {
  let found = 0
  for (let seed = 1; seed <= 60; seed++) {
    const tree = new Tree(seed, new Seeded(-seed).pick([0, 1, 3, 1000]) * BLOCK_BYTES)
    for (const { key, sequence } of tree.expectedInTables.entries()) {
      const answer = tree.findInTables(key)
      if (answer !== `${sequence} ${key}`)
        t.fail(`seed ${seed}: ${key} is ${answer}, not of sequence ${sequence}`)
      found++
    }
    t.equal(tree.findInTables('no such key'), null)
  }
  t.ok(found > 3000)
})

import t from 'tap'
import { KeyHash } from '../../../src/ring/token.js'
import { EntryRef, entrySequence } from '../../../src/storage/entry.js'
import { BLOCK_BYTES } from '../../../src/storage/table/block-format.js'
import { TableSet } from '../../../src/storage/table-set.js'
import { FOUND } from '../../../src/storage/table/table-lookup.js'
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

t.test('tables of level 0 for which somebody else has answered are not asked', async (t) => {
  let passedOver = 0
  for (let seed = 1; seed <= 20; seed++) {
    const tree = new Tree(seed, 1000 * BLOCK_BYTES)
    const { level0 } = tree.tables
    const set = new TableSet(tree.tables.all, new Set(level0))
    t.same(set.level0, level0, 'a walk sees them')
    const lowest = Math.min(...level0.map((table) => table.summary.minSequence))
    const hash = new KeyHash()
    const entry = new EntryRef()
    for (const { key, sequence } of tree.expectedInTables.entries()) {
      // In memory from here on.
      tree.findInTables(key)
      const bytes = Buffer.from(key, 'latin1')
      hash.of(bytes, 0, bytes.length)
      const answer = set.find(hash, bytes, 0, bytes.length, entry)
      if (sequence < lowest || !level0.some((table) => table.mayContain(hash))) continue
      if (answer !== FOUND || entrySequence(entry.bytes, entry.record) < sequence) passedOver++
    }
  }
  t.ok(passedOver > 100, `${passedOver} keys were only there`)
})

import t from 'tap'
import * as consistency from '../../../src/coordinator/consistency.js'
import {
  isLevel,
  LEVEL_NAMES,
  levelName,
  parseLevel,
  required,
} from '../../../src/coordinator/consistency.js'

const { ONE, TWO, QUORUM, ALL, LOCAL_QUORUM, EACH_QUORUM, LOCAL_ONE } = consistency

t.test('levels keep the numbers that travel between nodes, and their names', (t) => {
  t.same([ONE, TWO, QUORUM, ALL, LOCAL_QUORUM, EACH_QUORUM, LOCAL_ONE], [1, 2, 3, 4, 5, 6, 7])
  t.same(LEVEL_NAMES, ['ONE', 'TWO', 'QUORUM', 'ALL', 'LOCAL_QUORUM', 'EACH_QUORUM', 'LOCAL_ONE'])
  LEVEL_NAMES.forEach((name, i) => {
    const level = parseLevel(name.toLowerCase())
    t.equal(level, i + 1, name)
    t.equal(level && levelName(level), name)
  })
  for (const name of ['', 'THREE', 'ANY', 'toString', '3']) t.equal(parseLevel(name), undefined, name)
  t.same([0, 1, 7, 8, 255].map(isLevel), [false, true, true, false, false])
  t.end()
})

t.test('how many replicas must agree', (t) => {
  const needed = [1, 2, 3, 4, 5].map((replicas) => {
    return ([ONE, TWO, QUORUM, ALL] as const).map((level) => required(level, replicas))
  })
  t.same(needed, [
    [1, 2, 1, 1],
    [1, 2, 2, 2],
    [1, 2, 2, 3],
    [1, 2, 3, 4],
    [1, 2, 3, 5],
  ])
  t.end()
})

t.test('levels that name a datacenter are equal to those that name none', (t) => {
  for (let replicas = 1; replicas <= 7; replicas++) {
    t.equal(required(LOCAL_ONE, replicas), required(ONE, replicas))
    t.equal(required(LOCAL_QUORUM, replicas), required(QUORUM, replicas))
    t.equal(required(EACH_QUORUM, replicas), required(QUORUM, replicas))
  }
  t.end()
})

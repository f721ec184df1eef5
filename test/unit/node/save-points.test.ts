import t from 'tap'
import { isSaveDue, parseSavePoints } from '../../../src/node/save-points.js'

t.test('save points are pairs of seconds and changes', async (t) => {
  t.same(parseSavePoints('3600 1 300 100'), [
    { seconds: 3600, changes: 1 },
    { seconds: 300, changes: 100 },
  ])
  t.same(parseSavePoints(' '), [])
  for (const text of ['1', '1 x', '0 1', '1 0', '-1 1', '1 1 1', '9999999999 1']) {
    t.equal(parseSavePoints(text), undefined, text)
  }
})

t.test(
  'a save is due when any point has its changes and its time, but not at once after a failure',
  async (t) => {
    const points = parseSavePoints('3600 1 300 100') ?? []
    t.equal(isSaveDue(points, 1, 3601, Infinity), true)
    t.equal(isSaveDue(points, 1, 3600, Infinity), false)
    t.equal(isSaveDue(points, 0, 1e6, Infinity), false)
    t.equal(isSaveDue(points, 99, 3000, Infinity), false)
    t.equal(isSaveDue(points, 100, 301, Infinity), true)
    t.equal(isSaveDue(points, 100, 301, 4), false)
    t.equal(isSaveDue(points, 100, 301, 5), true)
    t.equal(isSaveDue([], 1e9, 1e9, Infinity), false)
  },
)

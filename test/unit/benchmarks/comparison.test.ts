import t from 'tap'
import { comparisonRow, figureAtMost, ratioAtLeast } from '../../../benchmarks/measure/comparison.js'
import type { Comparison } from '../../../benchmarks/measure/comparison.js'

const ROW: Comparison = { measure: 'm', unit: 'u', kindred: [30, 10, 20], peer: 'p', theirs: [10, 10, 10] }
const row = (more: Partial<Comparison>) => comparisonRow({ ...ROW, ...more }).slice(2)

t.test('medians, lowest and highest turn, and the median of the ratios', async (t) => {
  t.same(row({ target: ratioAtLeast(2) }), [
    '20 (10 to 30)',
    'p',
    '10 (10 to 10)',
    '2.00',
    'ratio >= 2',
    'yes',
  ])
  t.same(row({ target: ratioAtLeast(2.5) }).slice(-1), ['NO'])
  t.same(row({ target: figureAtMost(19) }).slice(-2), ['<= 19', 'NO'])
})

t.test('what did not run has no ratio and meets no target', async (t) => {
  t.same(row({ theirs: [], target: ratioAtLeast(2) }).slice(2), ['not run', '', 'ratio >= 2', 'not run'])
  t.same(row({ kindred: [], target: figureAtMost(2) }), [
    'not run',
    'p',
    '10 (10 to 10)',
    '',
    '<= 2',
    'not run',
  ])
})

t.test('there is no ratio to nothing, such as to no errors', async (t) => {
  t.same(row({ kindred: [0], theirs: [0] }), ['0', 'p', '0', '', '', ''])
  t.same(row({ kindred: [3], theirs: [0] }), ['3', 'p', '0', '', '', ''])
})

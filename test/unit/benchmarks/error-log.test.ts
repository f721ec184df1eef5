import t from 'tap'
import { ErrorLog } from '../../../benchmarks/measure/error-log.js'

t.test('a report says that there were no errors', async (t) => {
  const log = new ErrorLog()
  log.add('Redis: GET', {})
  t.same(log.notes(), ['no request was answered with an error'])
})

t.test('errors of all turns are summed up by phase and text, the most frequent first', async (t) => {
  const log = new ErrorLog()
  log.add('Kindred: SET', { UNCERTAIN: 1, NOREPLICAS: 2 })
  log.add('Kindred: SET', { NOREPLICAS: 3 })
  log.add('Kindred: GET', { UNCERTAIN: 4 })
  t.same(log.notes(), [
    'ERRORS, not counted as requests done, in Kindred: SET: 5 x "NOREPLICAS", 1 x "UNCERTAIN"',
    'ERRORS, not counted as requests done, in Kindred: GET: 4 x "UNCERTAIN"',
  ])
})

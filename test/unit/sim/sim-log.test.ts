/** The collecting log. */
import t from 'tap'
import { SimLog } from '../../../src/sim/sim-log.js'

t.test('it keeps lines in order and finds those of one event', async (t) => {
  const log = new SimLog()
  log.debug('a')
  log.info('b', { size: 1 })
  log.warn('a', { size: 2 })
  log.error('c')
  t.same(
    log.lines.map(({ level, event }) => `${level} ${event}`),
    ['debug a', 'info b', 'warn a', 'error c'],
  )
  t.same(
    log.of('a').map(({ facts }) => facts),
    [{}, { size: 2 }],
  )
})

t.test('it forgets the oldest lines rather than growing for ever', async (t) => {
  const log = new SimLog()
  for (let i = 0; i < 100_000; i++) log.info('tick', { i })
  t.ok(log.lines.length < 20_000)
  t.equal(log.lines.at(-1)?.facts.i, 99_999)
})

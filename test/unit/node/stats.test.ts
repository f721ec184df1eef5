import t from 'tap'
import { ERROR_CODES_MAX, NodeCounters, SAMPLE_INTERVAL_MS } from '../../../src/node/stats.js'

t.test('the counters of a command are one object for the life of the node', (t) => {
  const stats = new NodeCounters()
  const get = stats.command('get')
  get.calls += 2
  get.microseconds += 7
  get.latency.add(7)
  t.equal(stats.command('get'), get)
  t.equal(stats.byCommand.get('get')?.calls, 2)
  stats.reset()
  t.equal(stats.command('get'), get, 'the same object after a reset')
  t.match(get, { calls: 0, microseconds: 0, rejectedCalls: 0, failedCalls: 0 })
  t.equal(get.latency.total, 0)
  t.end()
})

t.test('a steady load shows as its rate after sixteen samples', (t) => {
  const stats = new NodeCounters()
  for (let i = 0; i <= 16; i++) {
    stats.sample(i * SAMPLE_INTERVAL_MS)
    stats.commandsProcessed += 50
    stats.netInputBytes += 1024
    stats.netOutputBytes += 2048
  }
  t.equal(stats.instantaneousOpsPerSecond, 500)
  t.equal(stats.instantaneousInputKbps, 10)
  t.equal(stats.instantaneousOutputKbps, 20)
  t.end()
})

t.test('a rate falls back to zero when the load ends', (t) => {
  const stats = new NodeCounters()
  stats.sample(0)
  stats.commandsProcessed = 1000
  stats.sample(100)
  t.ok(stats.instantaneousOpsPerSecond > 0)
  for (let i = 2; i < 18; i++) stats.sample(i * 100)
  t.equal(stats.instantaneousOpsPerSecond, 0)
  t.end()
})

t.test('two samples at one time and a reset between samples do no harm', (t) => {
  const stats = new NodeCounters()
  stats.commandsProcessed = 1000
  stats.sample(100)
  stats.sample(100)
  t.equal(stats.instantaneousOpsPerSecond, 0)
  stats.reset()
  stats.commandsProcessed = 16
  stats.sample(1100)
  t.equal(stats.instantaneousOpsPerSecond, 1, 'counts from the reset on, never backwards')
  t.end()
})

t.test('errors are counted by code, and codes beyond the bound together', (t) => {
  const stats = new NodeCounters()
  for (let i = 0; i < ERROR_CODES_MAX + 10; i++) stats.countError(`E${i}`)
  stats.countError('E0')
  t.equal(stats.errorReplies, ERROR_CODES_MAX + 11)
  t.equal(stats.byError.get('E0'), 2)
  t.equal(stats.byError.get('OTHER'), 10)
  t.equal(stats.byError.size, ERROR_CODES_MAX + 1)
  stats.reset()
  t.equal(stats.byError.size, 0)
  t.end()
})

t.test('a reset clears every counter', (t) => {
  const stats = new NodeCounters()
  const counters = [
    'connectionsReceived',
    'rejectedConnections',
    'commandsProcessed',
    'errorReplies',
    'netInputBytes',
    'netOutputBytes',
    'keyspaceHits',
    'keyspaceMisses',
    'expiredKeys',
  ] as const
  for (const name of counters) stats[name] = 5
  stats.reset()
  for (const name of counters) t.equal(stats[name], 0, name)
  t.end()
})

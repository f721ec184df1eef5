import t from 'tap'
import { SlowlogRing } from '../../../src/node/slowlog.js'

function ring(slowlogSlowerThanMicroseconds = 0, slowlogMaxLength = 3) {
  const settings = { current: { slowlogSlowerThanMicroseconds, slowlogMaxLength } }
  return { log: new SlowlogRing(settings), settings }
}

function command(words: readonly string[], microseconds = 10) {
  const bytes = Buffer.from(words.join(''))
  const offsets = new Int32Array(words.length * 2)
  let at = 0
  for (const [i, word] of words.entries()) {
    offsets[2 * i] = at
    at += Buffer.byteLength(word)
    offsets[2 * i + 1] = at
  }
  const client = { clientAddress: '127.0.0.1:5000', clientName: 'app' }
  return { bytes, offsets, argc: words.length, microseconds, atUnixSeconds: 1_700_000_000, ...client }
}

function wordsOf(log: SlowlogRing, at = 0): string[] {
  return log.entries(-1)[at].args.map(String)
}

t.test('a command is slow from the threshold on; -1 keeps none and 0 all', (t) => {
  t.same(
    [9, 10, 11].map((us) => ring(10).log.isSlow(us)),
    [false, true, true],
  )
  t.equal(ring(-1).log.isSlow(1e9), false)
  t.equal(ring(0).log.isSlow(0), true)
  t.end()
})

t.test('the newest entries are kept and come first, under ascending ids', (t) => {
  const { log } = ring(0, 3)
  for (let i = 0; i < 10; i++) log.record(command(['get', `k${i}`], i))
  t.equal(log.length, 3)
  t.same(
    log.entries(10).map(({ id, microseconds }) => [id, microseconds]),
    [
      [9, 9],
      [8, 8],
      [7, 7],
    ],
  )
  t.same(
    log.entries(2).map(({ id }) => id),
    [9, 8],
  )
  t.match(log.entries(1)[0], {
    atUnixSeconds: 1_700_000_000,
    clientAddress: '127.0.0.1:5000',
    clientName: 'app',
  })
  log.reset()
  t.equal(log.length, 0)
  t.same(log.entries(10), [])
  log.record(command(['get', 'again']))
  t.equal(log.entries(1)[0].id, 10, 'ids go on after a reset')
  t.end()
})

t.test('a shorter limit takes effect with the next entry, and 0 keeps nothing', (t) => {
  const { log, settings } = ring(0, 5)
  for (let i = 0; i < 5; i++) log.record(command(['get', `k${i}`]))
  settings.current.slowlogMaxLength = 2
  log.record(command(['get', 'last']))
  t.equal(log.length, 2)
  t.same(wordsOf(log), ['get', 'last'])
  settings.current.slowlogMaxLength = 0
  log.record(command(['get', 'none']))
  t.equal(log.length, 0)
  t.end()
})

t.test('arguments are copied and trimmed as Redis trims them', (t) => {
  const { log } = ring()
  const slow = command(['set', 'k', 'x'.repeat(130)])
  log.record(slow)
  slow.bytes.fill(0)
  t.same(wordsOf(log), ['set', 'k', `${'x'.repeat(128)}... (2 more bytes)`])
  const keys = Array.from({ length: 39 }, (_, i) => `k${i}`)
  log.record(command(['mget', ...keys.slice(0, 31)]))
  t.same(wordsOf(log), ['mget', ...keys.slice(0, 31)], '32 arguments are kept whole')
  log.record(command(['mget', ...keys]))
  t.same(wordsOf(log), ['mget', ...keys.slice(0, 30), '... (9 more arguments)'])
  t.end()
})

t.test('no password is kept', (t) => {
  const { log } = ring(0, 10)
  const kept = (words: readonly string[]) => {
    log.record(command(words))
    return wordsOf(log).join(' ')
  }
  t.equal(kept(['AUTH', 'secret']), 'AUTH (redacted)')
  t.equal(kept(['auth', 'default', 'secret']), 'auth (redacted) (redacted)')
  t.equal(
    kept(['HELLO', '3', 'AUTH', 'u', 'p', 'SETNAME', 'n']),
    'HELLO 3 AUTH (redacted) (redacted) SETNAME n',
  )
  t.equal(
    kept(['hello', '3', 'setname', 'n', 'auth', 'u', 'p']),
    'hello 3 setname n auth (redacted) (redacted)',
  )
  t.equal(
    kept(['CONFIG', 'SET', 'timeout', '1', 'RequirePass', 'p', 'maxclients', '5']),
    'CONFIG SET timeout 1 RequirePass (redacted) maxclients 5',
  )
  t.equal(kept(['set', 'auth', 'value']), 'set auth value')
  t.end()
})

/** redis-cli 7 against a node, in every way in which it talks to a server. */
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { runProgram } from '../support/run-program.js'
import type { ProgramOptions } from '../support/run-program.js'
import { pipeline } from '../support/wire-client.js'

const PIPED_SETS = 100_000
const SCANNED_KEYS = 2_000

type Cli = (args: readonly string[], options?: ProgramOptions) => Promise<string>

/** Runs redis-cli against the node; answers what it printed, and fails the test when it ends with an error. */
function cliOf(t: Test, node: KindredNode): Cli {
  return async (args, options) => {
    const { code, out, error } = await runProgram('redis-cli', ['-p', String(node.port), ...args], options)
    if (code !== 0) t.fail(`redis-cli ${args.join(' ')} ended with ${code}`, { out, error })
    return out
  }
}

t.test('redis-cli with a command', async (t) => {
  const node = await KindredNode.start(t)
  const cli = cliOf(t, node)
  t.equal(await cli(['set', 'greeting', 'hello']), 'OK\n')
  t.equal(await cli(['get', 'greeting']), 'hello\n')
  t.equal(await cli(['get', 'nothing']), '\n')
  t.equal(await cli(['--no-raw', 'get', 'nothing']), '(nil)\n')
  t.equal(await cli(['--no-raw', 'incr', 'counter']), '(integer) 1\n')
  t.equal(await cli(['--no-raw', 'mget', 'greeting', 'nothing']), '1) "hello"\n2) (nil)\n')
  t.equal(await cli(['-3', '--no-raw', 'get', 'nothing']), '(nil)\n')
  t.match(await cli(['-3', '--no-raw', 'hello']), /"server" => "redis"\n(.*\n)*.*"proto" => \(integer\) 3\n/)
  t.match(await cli(['set', 'greeting']), /^ERR wrong number of arguments for 'set' command\n/)
  t.match(await cli(['hgetall', 'greeting']), /^ERR unknown command 'hgetall'/)
  t.equal(await cli(['-n', '0', 'get', 'greeting']), 'hello\n')
  t.equal(await cli(['-r', '3', 'incr', 'repeated']), '1\n2\n3\n')
  t.equal(await cli(['-x', 'set', 'from-input'], { input: 'line 1\nline 2\n' }), 'OK\n')
  t.equal(await cli(['get', 'from-input']), 'line 1\nline 2\n\n')
  const binary = Buffer.from([0, 255, 13, 10, 0])
  t.equal(await cli(['-x', 'set', 'binary'], { input: binary }), 'OK\n')
  t.equal(await cli(['--no-raw', 'get', 'binary']), '"\\x00\\xff\\r\\n\\x00"\n')
})

t.test(
  'redis-cli reads commands from a pipe, and asks for the documentation of commands first',
  async (t) => {
    const node = await KindredNode.start(t)
    const cli = cliOf(t, node)
    const lines = [
      'set a 1',
      'incr a',
      'set "with space" "x y"',
      'get "with space"',
      'multi',
      'get a',
      'incr a',
      'exec',
    ]
    const out = await cli([], { input: `${lines.join('\n')}\n` })
    t.equal(out, 'OK\n2\nOK\nx y\nOK\nQUEUED\nQUEUED\n2\n3\n')
    // The help of redis-cli is what COMMAND DOCS has told it.
    t.match(await cli([], { input: 'help set\n' }), /SET.*key value .*IFEQ.*summary:.*Sets a key to a value/s)
  },
)

t.test('redis-cli -a logs in, and without it the node asks for the password', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
  const cli = cliOf(t, node)
  t.equal(await cli(['-a', 'secret', '--no-auth-warning', 'ping']), 'PONG\n')
  t.equal(await cli(['--user', 'default', '--pass', 'secret', '--no-auth-warning', 'ping']), 'PONG\n')
  t.equal(await cli(['-3', '-a', 'secret', '--no-auth-warning', 'ping']), 'PONG\n')
  t.match(await cli(['ping']), 'NOAUTH Authentication required.')
  const wrong = await runProgram('redis-cli', [
    '-p',
    String(node.port),
    '-a',
    'wrong',
    '--no-auth-warning',
    'ping',
  ])
  t.match(wrong.error, 'WRONGPASS invalid username-password pair or user is disabled.')
  t.match(wrong.out, 'NOAUTH')
})

t.test(
  'redis-cli --pipe loads 100,000 keys, and the commands that walk the keyspace see them all',
  async (t) => {
    const node = await KindredNode.start(t, { flags: ['--appendfsync', 'everysec'] })
    const cli = cliOf(t, node)
    const commands = Array.from({ length: PIPED_SETS }, (_, i) => ['SET', `key:${i}`, `value ${i}`])
    const out = await cli(['--pipe'], { input: pipeline(...commands) })
    t.match(out, new RegExp(`errors: 0, replies: ${PIPED_SETS}\\n`))
    t.equal(await cli(['dbsize']), `${PIPED_SETS}\n`)
    const keys = (await cli(['--scan'])).trimEnd().split('\n')
    t.equal(keys.length, PIPED_SETS)
    t.equal(new Set(keys).size, PIPED_SETS, 'each key once')
    const some = (await cli(['--scan', '--pattern', 'key:9999?'])).trimEnd().split('\n').sort()
    t.same(
      some,
      Array.from({ length: 10 }, (_, i) => `key:9999${i}`),
    )
    const mixed = await runProgram('redis-cli', ['-p', String(node.port), '--pipe'], {
      input: 'SET a b\r\nNOSUCH\r\nGET\r\nSET c d\r\n',
    })
    t.match(mixed, { code: 1, out: 'errors: 2, replies: 4\n' })
  },
)

t.test('redis-cli --bigkeys and --memkeys find the largest value', async (t) => {
  const node = await KindredNode.start(t)
  const cli = cliOf(t, node)
  const commands = Array.from({ length: SCANNED_KEYS }, (_, i) => ['SET', `small:${i}`, 'x'])
  await cli(['--pipe'], { input: pipeline(...commands, ['SET', 'the-big-one', 'y'.repeat(5000)]) })
  const big = await cli(['--bigkeys'])
  t.match(big, `Sampled ${SCANNED_KEYS + 1} keys in the keyspace!`)
  t.match(big, `Biggest string found '"the-big-one"' has 5000 bytes`)
  const memory = await cli(['--memkeys'])
  t.match(memory, /Biggest string found '"the-big-one"' has 5\d\d\d bytes/)
  t.match(memory, `${SCANNED_KEYS + 1} strings with`)
  const hot = await runProgram('redis-cli', ['-p', String(node.port), '--hotkeys'])
  t.match(hot.error + hot.out, /An LFU maxmemory policy is not selected/)
})

t.test('redis-cli --latency measures, and --stat reports until it is interrupted', async (t) => {
  const node = await KindredNode.start(t)
  // Not on a terminal: it measures for as long as -i says and prints least, most and average in ms, and how often.
  const latency = await cliOf(t, node)(['-i', '0.3', '--latency'])
  const [minMs, maxMs, averageMs, samples] = latency.trim().split(' ').map(Number)
  t.ok(samples > 0 && minMs <= averageMs && averageMs <= maxMs, latency)
  const lineBuffered = ['-oL', 'redis-cli', '-p', String(node.port), '-i', '0.1', '--stat']
  const stat = await runProgram('stdbuf', lineBuffered, { interruptAfter: /(\d+ .* \d+ \(\+\d+\).*\n){3}/ })
  t.match(stat.out, /^-+ data -+ -+ load -+ - child -\nkeys +mem +clients +blocked +requests +connections/)
  t.match(stat.out, /\n0 +\S+ +\d+ +\d+ +\d+ \(\+1\) +\d+/, 'an INFO each time')
})

/** redis-benchmark 7 against a node: every test of its list whose commands exist, in every way of driving them. */
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { runProgram } from '../support/run-program.js'

const TESTS = 'ping_inline,ping_mbulk,set,get,incr,mset'
const LINES = ['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'MSET (10 keys)']
const REQUESTS = 2_000

async function benchmark(t: Test, node: KindredNode, args: readonly string[]): Promise<void> {
  const fixed = ['-p', String(node.port), '-n', String(REQUESTS), '-c', '20', '-r', '1000', '--csv']
  const { code, out, error } = await runProgram('redis-benchmark', [...fixed, ...args])
  t.equal(code, 0, `redis-benchmark ${args.join(' ')}`)
  t.notMatch(`${out}${error}`, /WARN(?!ING: Keepalive disabled)|ERR|error/i, 'no warnings and no errors')
  const [header, ...lines] = out.trim().split('\n')
  t.match(header, /^"test","rps"/)
  const names = lines.map((line) => line.split('","')[0].slice(1))
  t.same(names, args.includes('-t') ? LINES : names, 'every test has run')
}

for (const appendfsync of ['always', 'everysec']) {
  t.test(`redis-benchmark runs all its tests (${appendfsync})`, async (t) => {
    const node = await KindredNode.start(t, { flags: ['--appendfsync', appendfsync] })
    const all = ['-t', TESTS]
    await benchmark(t, node, all)
    await benchmark(t, node, [...all, '-P', '16'])
    await benchmark(t, node, [...all, '-3'])
    await benchmark(t, node, [...all, '--threads', '2'])
    await benchmark(t, node, [...all, '--threads', '2', '-3', '-P', '16', '-d', '1000'])
    const info = await node.info()
    t.equal(info.get('total_error_replies'), '0')
    t.match(info.get('cmdstat_set'), `calls=${5 * REQUESTS}`)
    t.match(info.get('cmdstat_mset'), `calls=${5 * REQUESTS}`)
  })
}

t.test(
  'redis-benchmark runs a command of its own, logs in, and connects anew for every request',
  async (t) => {
    const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
    const password = ['-a', 'secret']
    await benchmark(t, node, [...password, 'GETRANGE', 'key:__rand_int__', '0', '3'])
    await benchmark(t, node, [...password, '-k', '0', '-t', TESTS, '-n', '200'])
  },
)

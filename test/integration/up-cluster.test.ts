import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { freePorts } from '../support/free-ports.js'
import { kindred, runKindred } from '../support/kindred-process.js'
import type { KindredProcess } from '../support/kindred-process.js'
import { until } from '../support/until.js'

const run = promisify(execFile)
const SMALL = ['--segment-size', '1mb', '--block-cache-size', '1mb']

async function redisCli(port: number, ...args: string[]): Promise<string> {
  return (await run('redis-cli', ['-p', String(port), ...args])).stdout.trim()
}

async function processIdAt(port: number): Promise<number> {
  return Number(/process_id:(\d+)/.exec(await redisCli(port, 'info', 'server'))?.[1])
}

function listens(port: number): Promise<boolean> {
  return redisCli(port, 'ping').then(
    () => true,
    () => false,
  )
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch {
    return false
  }
}

/** `kindred up` with several nodes in a process group of its own, all of which end with the test at the latest. */
function upCluster(t: Test, args: readonly string[]): KindredProcess {
  const up = kindred(['up', ...args, ...SMALL], { detached: true })
  t.teardown(async () => {
    try {
      process.kill(-up.pid, 'SIGKILL')
    } catch {
      // All have ended.
    }
    await up.ended
  })
  return up
}

t.test('up starts three nodes, says where they are and what they own, and stops all at Ctrl-C', async (t) => {
  const [first, directory] = [await freePorts(3), t.testdir()]
  const up = upCluster(t, ['--port', String(first), '--dir', directory, '--maxclients', '77'])
  await up.printed(/Ctrl-C stops all\.\n/)
  for (let i = 0; i < 3; i++) {
    const port = first + i
    const row = new RegExp(
      `^node-${i + 1} +127\\.0\\.0\\.1:${port} +127\\.0\\.0\\.1:${port + 1000} +33\\.3 % +\\w+`,
      'm',
    )
    await up.printed(row)
    t.equal(await redisCli(port, 'ping'), 'PONG')
    t.match(await redisCli(port, 'config', 'get', 'maxclients'), /77$/, 'flags go to every node')
    t.match(await redisCli(port, 'config', 'get', 'dir'), `${directory}/node-${i + 1}`)
    t.match(await redisCli(port, 'config', 'get', 'node'), `node-${i + 1}`)
  }
  // As from a terminal, where Ctrl-C reaches the nodes as well.
  process.kill(-up.pid, 'SIGINT')
  const { code, out, error } = await up.ended
  t.equal(code, 0, error)
  t.match(out, /Stopped 3 of 3 nodes in order\.\n$/)
  t.notOk(await listens(first))
})

t.test(
  'a node that ends is said at once and not restarted; its printed command starts it again',
  async (t) => {
    const [first, directory] = [await freePorts(3), t.testdir()]
    const up = upCluster(t, ['--port', String(first), '--dir', directory])
    const [, config] = await up.printed(/server --config (\S+)[\s\S]*Ctrl-C stops all/)
    t.equal(config, `${directory}/node-1/node.yaml`)
    process.kill(await processIdAt(first), 'SIGKILL')
    await up.printedError(/node-1 has ended: SIGKILL\. It is not restarted/)
    t.notOk(await listens(first), 'it stays down')
    t.equal(await redisCli(first + 1, 'ping'), 'PONG', 'the others go on')
    const again = kindred(['server', '--config', config])
    t.teardown(() => again.kill('SIGKILL'))
    await until('node-1 serves again', () => listens(first))
    t.equal(await redisCli(first, 'ping'), 'PONG')
    again.kill('SIGTERM')
    t.match(await again.ended, { code: 0 })
    up.kill('SIGTERM')
    const { code, out } = await up.ended
    t.equal(code, 1, 'a node had failed')
    t.match(out, /Stopped 2 of 3 nodes in order\.\n$/)
  },
)

t.test('the nodes end when up is killed', async (t) => {
  const [first, directory] = [await freePorts(3), t.testdir()]
  const up = upCluster(t, ['--port', String(first), '--dir', directory])
  await up.printed(/Ctrl-C stops all/)
  const nodes = await Promise.all([0, 1, 2].map((i) => processIdAt(first + i)))
  t.ok(nodes.every(isAlive))
  t.equal(await redisCli(first, 'set', 'key', 'value'), 'OK')
  process.kill(up.pid, 'SIGKILL')
  t.match(await up.ended, { signal: 'SIGKILL' })
  await until('all nodes have ended', () => !nodes.some(isAlive))

  // Another program that starts a node may end before it.
  const keeper = `require('node:child_process').spawn(process.argv[1], process.argv.slice(2), { stdio: 'ignore', detached: true })`
  const config = `${directory}/node-1/node.yaml`
  await run(process.execPath, [
    '-e',
    `${keeper}.unref()`,
    `${process.cwd()}/bin/kindred`,
    'server',
    '--config',
    config,
  ])
  const processId = await until('a node of its own serves', async () => {
    return (await listens(first)) ? processIdAt(first) : undefined
  })
  t.teardown(() => isAlive(processId) && process.kill(processId, 'SIGKILL'))
  t.equal(await redisCli(first, 'ping'), 'PONG')
  process.kill(processId, 'SIGTERM')
  await until('it has ended', () => !isAlive(processId))
})

t.test('a node that cannot start stops all', async (t) => {
  const first = await freePorts(3)
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(first + 1, '127.0.0.1', resolve))
  t.teardown(() => void other.close())
  const { code, out, error } = await upCluster(t, ['--port', String(first), '--dir', t.testdir()]).ended
  t.equal(code, 1)
  t.equal(out, '')
  t.match(error, new RegExp(`node-2 \\| kindred: port ${first + 1} on 127\\.0\\.0\\.1 is in use already`))
  t.match(error, /not every node could start; the others are stopped/)
  t.notOk(await listens(first))
  t.notOk(await listens(first + 2))
})

t.test('up takes another number of nodes, levels and copies for them', async (t) => {
  const first = await freePorts(4)
  const args = ['--nodes', '4', '--replicas', '2', '--read-consistency', 'ONE', '--requirepass', 'secret']
  const up = upCluster(t, [...args, '--port', String(first), '--dir', t.testdir()])
  await up.printed(/^node-4 [\s\S]*Each key is on 2 of 4 nodes[\s\S]*--askpass[\s\S]*Ctrl-C stops all/m)
  t.match(await redisCli(first + 3, '-a', 'secret', 'config', 'get', 'read-consistency'), /ONE$/)
  up.kill('SIGTERM')
  const { code, out } = await up.ended
  t.equal(code, 0)
  t.notMatch(out, 'secret')
})

t.test('up refuses what no cluster can have before it starts anything', async (t) => {
  const refused = async (...args: string[]) => (await runKindred(['up', ...args])).error
  t.match(await refused('--nodes', '0'), '--nodes: "0", allowed: an integer from 1 to 16')
  t.match(await refused('--port', '0'), /port: "0" \(--port\), allowed for 3 nodes: an integer from 1 to/)
  t.match(await refused('--nodes', '2', '--config', 'x'), '--config: describes one node')
  t.match(await refused('--timeout', 'x'), 'timeout: "x" (--timeout), allowed: an integer')
  t.match(await refused('--bind', '0.0.0.0'), /cluster-secret: missing, allowed: 32 characters/)
})

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { KNOBS, knobName } from '../../src/node/config-schema.js'
import { kindred, runKindred, up } from '../support/kindred-process.js'

const run = promisify(execFile)

async function configGet(port: number, name: string): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', String(port), 'config', 'get', name])
  return stdout.split('\n')[1]
}

t.test('wrong settings are all named, and nothing is started', async (t) => {
  const directory = t.testdir({ 'node.yaml': 'maxclients: 0\nstorage:\n  segmnt-size: 1mb\n' })
  const data = `${directory}/data`
  const { code, out, error } = await runKindred([
    ...['server', '--config', `${directory}/node.yaml`, '--dir', data],
    ...['--port', 'seven', '--appendfsync=sometimes', '--prot', '1'],
  ])
  t.equal(code, 1)
  t.equal(out, '')
  t.match(error, '--prot: no such flag; did you mean --port?')
  t.match(error, `maxclients: "0" (${directory}/node.yaml:1), allowed: an integer from 1 to 1000000`)
  t.match(
    error,
    `storage.segmnt-size: no such setting (${directory}/node.yaml:3); did you mean storage.segment-size?`,
  )
  t.match(error, 'port: "seven" (--port), allowed: an integer from 0 to 65535')
  t.match(error, 'appendfsync: "sometimes" (--appendfsync), allowed: one of everysec, always, no')
  t.notOk(existsSync(data), 'no data directory was made')
})

t.test('a configuration file that cannot be read is refused', async (t) => {
  const directory = t.testdir({ 'broken.yaml': 'port: [1' })
  const absent = await runKindred(['server', '--config', `${directory}/absent.yaml`])
  t.equal(absent.code, 1)
  t.match(absent.error, /cannot read .*absent\.yaml: ENOENT/)
  const broken = await runKindred(['server', '--config', `${directory}/broken.yaml`])
  t.equal(broken.code, 1)
  t.match(broken.error, /broken\.yaml:1: not valid YAML/)
})

t.test('flags go over the file, the file over the defaults', async (t) => {
  const directory = t.testdir({
    'node.yaml': 'timeout: 77\nmaxclients: 11\nstorage:\n  segment-size: 2mb\n',
  })
  const { node, port } = await up(t, `${directory}/data`, [
    '--config',
    `${directory}/node.yaml`,
    '--maxclients',
    '22',
  ])
  t.equal(await configGet(port, 'timeout'), '77', 'the file over the default')
  t.equal(await configGet(port, 'maxclients'), '22', 'the flag over the file')
  t.equal(await configGet(port, 'segment-size'), String(2 * 1024 * 1024))
  t.equal(await configGet(port, 'tcp-keepalive'), '300', 'the default')
  t.equal(await configGet(port, 'dir'), `${directory}/data`)
  node.kill('SIGINT')
  t.match(await node.ended, { code: 0 })
})

t.test('a node starts with the documented configuration file', async (t) => {
  const node = kindred([
    'server',
    '--config',
    'cluster-config/node.yaml',
    '--port',
    '0',
    '--dir',
    t.testdir(),
  ])
  const [, port] = await node.printed(/"port":(\d+)/)
  for (const knob of KNOBS) t.type(await configGet(Number(port), knobName(knob)), 'string', knob.path)
  node.kill('SIGTERM')
  t.match(await node.ended, { code: 0 })
})

t.test('CONFIG SET changes what may change while running, with the errors of Redis', async (t) => {
  const { node, port } = await up(t, t.testdir())
  const set = async (...args: string[]) => {
    const { stdout } = await run('redis-cli', ['-p', String(port), 'config', 'set', ...args])
    return stdout.trim()
  }
  t.equal(await set('maxclients', '50', 'timeout', '9'), 'OK')
  t.equal(await configGet(port, 'maxclients'), '50')
  t.equal(await set('loglevel', 'debug'), 'OK')
  t.equal(await set('appendfsync', 'everysec'), 'OK')
  t.equal(await configGet(port, 'appendfsync'), 'everysec')
  t.equal(
    await set('maxclients', '0'),
    "ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument must be between 1 and 1000000 inclusive",
  )
  t.equal(
    await set('port', '1'),
    "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config",
  )
  t.match(
    await set('nonsense', '1'),
    /^ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'/,
  )
  node.kill('SIGINT')
  t.match(await node.ended, { code: 0 })
})

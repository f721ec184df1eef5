import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { kindred, runKindred, up } from '../support/kindred-process.js'

const run = promisify(execFile)

async function redisCli(port: number, ...args: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', String(port), ...args])
  return stdout.trim()
}

t.test('help, version and mistakes in the command', async (t) => {
  const help = await runKindred([])
  t.equal(help.code, 0)
  t.match(help.out, /Usage: kindred <command>/)
  const version = await runKindred(['--version'])
  t.match(version.out, /^kindred \d+\.\d+\.\d+\n$/)
  const server = await runKindred(['help', 'server'])
  t.match(server.out, /--appendfsync\n.*on disk/)
  t.same(await runKindred(['server', '--help']), server)
  const unknown = await runKindred(['sevrer'])
  t.equal(unknown.code, 1)
  t.match(unknown.error, 'no command "sevrer"; did you mean "kindred server"?')
})

t.test('up shows where the node is and how to try it, and Ctrl-C stops it in order', async (t) => {
  const directory = `${t.testdir()}/node`
  const first = await up(t, directory)
  const text = (await first.node.printed(/[\s\S]*/))[0]
  t.match(
    text,
    /^address +data directory +durability\n127\.0\.0\.1:\d+ .*every write is on disk before its reply/,
  )
  t.match(text, `redis-cli -p ${first.port} set greeting hello`)
  t.match(text, `redis-cli -p ${first.port} get greeting`)
  t.equal(await redisCli(first.port, 'set', 'greeting', 'hello'), 'OK')
  t.equal(await redisCli(first.port, 'get', 'greeting'), 'hello')
  first.node.kill('SIGINT')
  const ended = await first.node.ended
  t.match(ended, { code: 0, signal: null, error: '' })
  t.match(ended.out, /Stopped\.\n$/)

  const second = await up(t, directory)
  t.equal(await redisCli(second.port, 'get', 'greeting'), 'hello', 'the data is still there')
  second.node.kill('SIGTERM')
  t.match(await second.node.ended, { code: 0, signal: null, error: '' })
})

t.test('SHUTDOWN ends the process as Ctrl-C does', async (t) => {
  const { node, port } = await up(t, t.testdir())
  await redisCli(port, 'shutdown')
  t.match(await node.ended, { code: 0, error: '' })
})

t.test('a second signal ends the process without waiting', async (t) => {
  const { node } = await up(t, t.testdir())
  // Stopped, it gets both signals at once when it goes on, in either order: no chance to finish between them.
  node.kill('SIGSTOP')
  node.kill('SIGINT')
  node.kill('SIGTERM')
  node.kill('SIGCONT')
  const { code, out } = await node.ended
  t.ok(code === 143 || code === 130, `ends with ${code}, the signal's code`)
  t.notMatch(out, 'Stopped.')
})

t.test('a port in use is named together with the way to change it', async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const ended = await runKindred(['up', '--nodes', '1', '--port', String(port), '--dir', t.testdir()])
  t.equal(ended.code, 1)
  t.equal(ended.out, '')
  t.match(ended.error, new RegExp(`^kindred: port ${port} on 127\\.0\\.0\\.1 is in use already.*--port`))
})

t.test('a second node on the same data directory is refused', async (t) => {
  const directory = t.testdir()
  const { node, port } = await up(t, directory)
  const second = await runKindred(['server', '--port', '0', '--dir', directory])
  t.equal(second.code, 1)
  t.match(second.error, `the data directory ${directory} is in use by another node`)
  t.equal(await redisCli(port, 'ping'), 'PONG', 'the first goes on')
  node.kill('SIGINT')
  t.match(await node.ended, { code: 0 })
})

t.test('an address that this machine does not have is named', async (t) => {
  // 192.0.2.0/24 is reserved for documentation.
  const ended = await runKindred(['server', '--port', '0', '--bind', '192.0.2.1', '--dir', t.testdir()])
  t.equal(ended.code, 1)
  t.match(ended.error, /cannot listen on port 0 on 192\.0\.2\.1.*--bind/)
})

t.test('server logs JSON lines and leaves nothing else on standard output', async (t) => {
  const node = kindred(['server', '--port', '0', '--dir', t.testdir()])
  await node.printed(/"port":\d+/)
  node.kill('SIGTERM')
  const { code, out, error } = await node.ended
  t.equal(code, 0)
  t.equal(error, '')
  for (const line of out.trim().split('\n')) t.type(JSON.parse(line).event, 'string', line)
})

t.test('status asks a running node, as a table and as JSON', async (t) => {
  const { node, port } = await up(t, t.testdir())
  const table = await runKindred(['status', '--port', String(port)])
  t.equal(table.code, 0)
  t.match(table.out, new RegExp(`^node +127\\.0\\.0\\.1:${port}\\nstate +up\\n`))
  t.match(table.out, /^keys +0, of which 0 expire\n/m)
  const json = await runKindred(['status', '--json', '--port', String(port)])
  t.equal(json.code, 0)
  t.match(JSON.parse(json.out), { state: 'up', info: { server: { tcp_port: String(port) } } })
  node.kill('SIGINT')
  await node.ended
  const down = await runKindred(['status', '--port', String(port)])
  t.equal(down.code, 1)
  t.match(down.error, new RegExp(`no node answers at 127\\.0\\.0\\.1:${port}`))
  const downJson = await runKindred(['status', '--json', '--port', String(port)])
  t.equal(downJson.code, 1)
  t.match(JSON.parse(downJson.out), { state: 'down' })
})

t.test('status of a node with a password says that it is up, and more with the password', async (t) => {
  const { node, port } = await up(t, t.testdir(), ['--requirepass', 'secret'])
  const status = (password?: string) =>
    runKindred(['status', '--port', String(port)], { env: { REDISCLI_AUTH: password } })
  const without = await status()
  t.equal(without.code, 0)
  t.match(without.out, /state +up, asks for a password\n/)
  t.notMatch(without.out, /^keys/m)
  const wrong = await status('guess')
  t.match(wrong.out, /asks for a password/)
  const right = await status('secret')
  t.match(right.out, /state +up\n[\s\S]*^keys /m)
  node.kill('SIGINT')
  await node.ended
})

t.test('status gives up on something that is no such server, and on wrong options', async (t) => {
  const silent = createServer()
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const ended = await runKindred(['status', '--port', String(port), '--timeout', '0.1'])
  t.equal(ended.code, 1)
  t.match(ended.error, 'no answer within 0.1 s')
  for (const args of [['--port', '0'], ['--port', 'x'], ['--timeout', '0'], ['--what'], ['stray']]) {
    const refused = await runKindred(['status', ...args])
    t.equal(refused.code, 1, args.join(' '))
    t.match(refused.error, 'kindred help status')
  }
})

t.test('inspect prints the files of a data directory', async (t) => {
  const directory = t.testdir()
  const { node, port } = await up(t, directory)
  await redisCli(port, 'set', 'greeting', 'hello')
  node.kill('SIGINT')
  await node.ended
  const names = readdirSync(directory)
  t.ok(names.includes('MANIFEST'))
  const entries = await runKindred(['inspect', '--entries', `${directory}/000001.log`])
  t.match(entries.out, /"greeting" sequence 1 dies never/)
  for (const name of names) {
    const { code, out, error } = await runKindred(['inspect', `${directory}/${name}`])
    t.equal(code, 0, `${name}: ${error}`)
    t.ok(out.includes(name), `${name} is named in what is printed`)
  }
})

t.test('inspect tells what it cannot read', async (t) => {
  const directory = t.testdir({ 'notes.txt': 'x', MANIFEST: 'kindred-manifest 1 xxh32 00000000\n{}\n' })
  const foreign = await runKindred(['inspect', `${directory}/notes.txt`])
  t.equal(foreign.code, 1)
  t.match(foreign.error, 'not a file of a data directory')
  const damaged = await runKindred(['inspect', `${directory}/MANIFEST`])
  t.equal(damaged.code, 1)
  t.match(damaged.error, /MANIFEST.*checksum/)
  const absent = await runKindred(['inspect', `${directory}/000001.table`])
  t.equal(absent.code, 1)
  t.match(absent.error, 'ENOENT')
  t.notOk(existsSync(`${directory}/000001.table`), 'looking creates nothing')
  const nothing = await runKindred(['inspect'])
  t.equal(nothing.code, 1)
  t.match(nothing.error, 'needs the path of a file')
})

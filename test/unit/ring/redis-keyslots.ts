/** Asks a private redis-server, in cluster mode and gone afterwards, for the slots of keys. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The slots of the keys, by CLUSTER KEYSLOT. */
export async function keyslots(keys: readonly Buffer[]): Promise<number[]> {
  const directory = await mkdtemp(join(tmpdir(), 'keyslots-'))
  const [port, busPort] = await freePorts(2)
  const server = spawn(
    'redis-server',
    [
      '--port',
      port,
      '--cluster-port',
      busPort,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--cluster-enabled',
      'yes',
    ].map(String),
    { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(server, 'exit')
  try {
    await said(server.stdout, 'Ready to accept connections')
    return await ask(connect(port, '127.0.0.1'), keys)
  } finally {
    server.kill('SIGKILL')
    await exited
    await rm(directory, { recursive: true, force: true })
  }
}

async function ask(socket: Socket, keys: readonly Buffer[]): Promise<number[]> {
  for (const key of keys) {
    socket.write(`*3\r\n$7\r\nCLUSTER\r\n$7\r\nKEYSLOT\r\n$${key.length}\r\n`)
    socket.write(Buffer.concat([key, Buffer.from('\r\n')]))
  }
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    const lines = text.split('\r\n')
    if (lines.length <= keys.length) continue
    return lines.slice(0, keys.length).map((line) => Number(line.slice(1)))
  }
  throw new Error(`redis-server closed the connection after ${text.length} characters`)
}

async function said(stream: AsyncIterable<unknown>, words: string): Promise<void> {
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes(words)) return
  }
  throw new Error(`redis-server did not start: ${text}`)
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

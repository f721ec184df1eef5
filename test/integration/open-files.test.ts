/** A node that may open few files takes few clients, and says so. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { KindredProcess } from '../support/kindred-process.js'
import { WireClient } from '../support/wire-client.js'

const OPEN_FILES_MAX = 200

t.test('maxclients is lowered to what the limit of open files allows', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-files-'))
  const limited = `ulimit -n ${OPEN_FILES_MAX}; exec bin/kindred server --port 0 --dir ${directory}`
  const node = new KindredProcess('/bin/sh', ['-c', limited])
  t.teardown(async () => {
    process.kill(node.pid, 'SIGKILL')
    await node.ended
    rmSync(directory, { recursive: true })
  })
  const [, lowered] = await node.printed(/"maxClients":(\d+),"event":"maxclients lowered/)
  t.ok(Number(lowered) > 0 && Number(lowered) < OPEN_FILES_MAX - 32, lowered)
  const [, port] = await node.printed(/"port":(\d+),[^\n]*"event":"serving"/)
  const client = await WireClient.open(Number(port))
  t.match(await client.ask('CONFIG', 'GET', 'maxclients'), `\r\n${lowered}\r\n`)
  t.match(
    await client.ask('CONFIG', 'SET', 'maxclients', '10000'),
    `not able to handle the specified number of clients, try with ${lowered}`,
  )
  t.equal(await client.ask('CONFIG', 'SET', 'maxclients', '50'), '+OK\r\n')
  client.close()
})

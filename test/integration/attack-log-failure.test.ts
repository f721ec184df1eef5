/**
 * A log that fails for good: every write from then on is refused, what is durable can be read, and nothing waits for what
 * will never be durable. A limit on the size of files stands in for a broken disk; it lets small segments pass.
 */
import t from 'tap'
import { temporaryDirectory } from '../support/kindred-node.js'
import { WireClient } from '../support/wire-client.js'
import { KindredProcess } from '../support/kindred-process.js'

/** In units of 512 or 1024 bytes, as the shell has it: 2 or 4 MB. */
const LIMITED = 'ulimit -f 4096; exec "$@"'
const TOO_LARGE_BYTES = 8 * 1024 * 1024

t.test('W3 after the log has failed nothing waits for it', async (t) => {
  const flags = ['--port', '0', '--dir', temporaryDirectory(t), '--segment-size', '1mb']
  const kindred = [`${process.cwd()}/bin/kindred`, 'server', ...flags]
  const node = new KindredProcess('sh', ['-c', LIMITED, 'sh', ...kindred])
  t.teardown(() => node.kill('SIGKILL'))
  const [, port] = await node.printed(/"port":(\d+).*"event":"serving"/)

  const writer = await WireClient.open(Number(port))
  t.equal(await writer.ask('SET', 'key', 'value'), '+OK\r\n')
  await t.rejects(writer.ask('SET', 'large', Buffer.alloc(TOO_LARGE_BYTES)), 'the outcome is unknown')

  const client = await WireClient.open(Number(port))
  t.equal(await client.ask('GET', 'key'), '$5\r\nvalue\r\n')
  for (const command of [['SET', 'key', '2'], ['GET', 'large'], ['FLUSHALL'], ['KEYS', '*'], ['SCAN', '0']]) {
    t.match(
      await client.ask(...command),
      /^-MISCONF Errors writing to the AOF file: EFBIG/,
      command.join(' '),
    )
  }
  t.equal(await client.ask('WAIT', '0', '0'), ':0\r\n')
  client.close()
  node.kill('SIGTERM')
  t.match(await node.ended, { code: 0 })
})

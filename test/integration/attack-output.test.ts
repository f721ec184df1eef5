/**
 * Clients that ask for far more than they read: however their requests come (one transaction, or behind a write that the
 * log has yet to sync), the node stops rendering for them after a little, serves the others, and goes on where it was.
 */
import t from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'

const VALUE_BYTES = 2 * 1024 * 1024
const READS = 60
/** A node that renders all the replies at once needs all of them as memory. */
const RENDERED_BYTES_MAX = 16 * 1024 * 1024
const READ = ['GET', 'big'] as const
const READS_OF_BIG = Array.from({ length: READS }, () => READ)

const transaction = pipeline(['MULTI'], ...READS_OF_BIG, ['EXEC'])
const behindWrite = pipeline(['SET', 'small', '1'], ...READS_OF_BIG)

for (const [name, requests] of Object.entries({ transaction, behindWrite })) {
  t.test(`replies that nobody reads are not rendered ahead: ${name}`, async (t) => {
    const node = await KindredNode.start(t)
    const other = await node.open()
    t.equal(await other.ask('SET', 'big', Buffer.alloc(VALUE_BYTES, 'v')), '+OK\r\n')
    const client = await node.open({ deaf: true })
    await client.send(pipeline(['CLIENT', 'SETNAME', 'deaf']))
    await client.send(requests)
    const owed = await until('replies wait', async () => {
      const line = (await other.ask('CLIENT', 'LIST')).split('\n').find((one) => one.includes(' name=deaf '))
      const bytes = Number(/ omem=(\d+)/.exec(line ?? '')?.[1])
      return bytes > 0 ? bytes : undefined
    })
    t.ok(owed < RENDERED_BYTES_MAX, `${owed} bytes wait`)

    let received = 0
    client.socket.on('data', (chunk) => (received += chunk.length))
    await until('all replies have come', () => received > READS * VALUE_BYTES)
    t.ok(received < READS * (VALUE_BYTES + 64), 'each once')
    client.socket.destroy()
    other.close()
  })
}

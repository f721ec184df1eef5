import t from 'tap'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { LoadConnection } from '../../../benchmarks/load/load-connection.js'
import type { WaitMode } from '../../../benchmarks/load/load-connection.js'
import { Requests } from '../../../benchmarks/load/requests.js'

const VALUE = 'v'.repeat(4)

interface Outcome {
  readonly sent: string[]
  readonly answered: [isWrite: boolean, times: number][]
  readonly refused: [text: string, times: number][]
}

/** Commands by their name as a server gets them, and what the connection makes of `replies`, which come byte by byte. */
async function converse(t: Test, wait: WaitMode, isWrite: boolean, replies: string): Promise<Outcome> {
  const outcome: Outcome = { sent: [], answered: [], refused: [] }
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes: Buffer) => {
      outcome.sent.push(...(bytes.toString().match(/SET|GET|WAIT/g) ?? []))
      void (async () => {
        for (const byte of replies) await new Promise<void>((resolve) => socket.write(byte, () => resolve()))
      })()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const options = { index: 0, port, groupSize: 3, wait, prologue: [], into: Buffer.alloc(1024) }
  const requests = new Requests(VALUE.length, () => 0.5)
  await new Promise<void>((resolve, reject) => {
    const events = {
      answered: (write: boolean, _due: number, _now: number, times: number) =>
        outcome.answered.push([write, times]),
      refused: (text: string, _now: number, times: number) => outcome.refused.push([text, times]),
      groupDone: (connection: LoadConnection) => {
        connection.close()
        resolve()
      },
      failed: reject,
    }
    void LoadConnection.open(options, requests, events).then((connection) => {
      connection.addGroup(isWrite, performance.now(), () => 1)
      connection.flush()
    }, reject)
  })
  return outcome
}

const sum = (counts: readonly [unknown, number][]): number =>
  counts.reduce((all, [, times]) => all + times, 0)

t.test('SETs without WAIT count with their own reply, errors do not', async (t) => {
  const { sent, answered, refused } = await converse(t, 'none', true, '+OK\r\n-ERR no\r\n+OK\r\n')
  t.same(sent, ['SET', 'SET', 'SET'])
  t.equal(sum(answered), 2)
  t.same(refused, [['ERR no', 1]])
})

t.test('GETs count with their value, missing keys do not', async (t) => {
  const value = `$4\r\n${VALUE}\r\n`
  const { sent, answered, refused } = await converse(t, 'group', false, `${value}$-1\r\n${value}`)
  t.same(sent, ['GET', 'GET', 'GET'], 'a WAIT belongs to SETs')
  t.equal(sum(answered), 2)
  t.equal(sum(refused), 1)
})

t.test('one WAIT confirms all SETs of its group that were taken', async (t) => {
  const { sent, answered, refused } = await converse(t, 'group', true, '+OK\r\n-ERR no\r\n+OK\r\n:2\r\n')
  t.same(sent, ['SET', 'SET', 'SET', 'WAIT'])
  t.same(answered, [[true, 2]], 'together, when the WAIT has answered')
  t.same(refused, [['ERR no', 1]])
})

t.test('SETs that no replica confirmed are errors', async (t) => {
  const { answered, refused } = await converse(t, 'group', true, '+OK\r\n+OK\r\n+OK\r\n:0\r\n')
  t.same(answered, [])
  t.equal(sum(refused), 3)
})

t.test('a WAIT after each confirms that one', async (t) => {
  const replies = '+OK\r\n:1\r\n+OK\r\n:0\r\n-ERR no\r\n:1\r\n'
  const { sent, answered, refused } = await converse(t, 'each', true, replies)
  t.same(sent, ['SET', 'WAIT', 'SET', 'WAIT', 'SET', 'WAIT'])
  t.equal(sum(answered), 1)
  t.equal(sum(refused), 2)
})

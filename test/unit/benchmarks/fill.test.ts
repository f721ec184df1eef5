import t from 'tap'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { fill } from '../../../benchmarks/load/fill.js'
import { Requests } from '../../../benchmarks/load/requests.js'

const KEYS = 1000
const VALUE_BYTES = 3

/** A server that refuses its first `refusals` SETs, and the keys that it has taken. */
async function refusingServer(t: Test, refusals: number): Promise<{ port: number; taken: Set<string> }> {
  const { setBytes } = new Requests(VALUE_BYTES, () => 0.5)
  const taken = new Set<string>()
  let left = refusals
  const server = createServer((socket) => {
    let text = ''
    socket.on('error', () => {})
    socket.setEncoding('latin1').on('data', (part: string) => {
      for (text += part; text.length >= setBytes; text = text.slice(setBytes)) {
        if (left-- <= 0) taken.add(/key:\d+/.exec(text)?.[0] ?? '')
        socket.write(left < 0 ? '+OK\r\n' : '-UNCERTAIN perhaps\r\n')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, taken }
}

t.test('every key is set once it is filled', async (t) => {
  const { port, taken } = await refusingServer(t, 0)
  await fill(port, KEYS, VALUE_BYTES)
  t.equal(taken.size, KEYS)
})

t.test('a refused key ends it', async (t) => {
  const { port } = await refusingServer(t, 1)
  await t.rejects(fill(port, KEYS, VALUE_BYTES), /refused a key: UNCERTAIN perhaps/)
})

t.test('where refusals may pass they are told, and their keys are sent again', async (t) => {
  const { port, taken } = await refusingServer(t, 3)
  const refused: string[] = []
  await fill(port, KEYS, VALUE_BYTES, (text) => refused.push(text))
  t.same(refused, Array(3).fill('UNCERTAIN perhaps'))
  t.equal(taken.size, KEYS)
})

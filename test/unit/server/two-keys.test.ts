import t from 'tap'
import { copyKey, renameKey } from '../../../src/server/two-keys.js'
import type { Asker } from '../../../src/server/two-keys.js'
import { SubRequestError } from '../../../src/server/sub-requests.js'

/** Answers from a list, and notes what it was asked. */
function scripted(replies: readonly string[]): { requests: Asker; asked: string[] } {
  const asked: string[] = []
  const left = [...replies]
  const ask = (...args: readonly (Buffer | string)[]): Promise<Buffer> => {
    asked.push(args.map(String).join(' '))
    const reply = left.shift() ?? '-ERR nothing more was expected'
    if (reply.startsWith('-')) return Promise.reject(new SubRequestError(reply.slice(1)))
    return Promise.resolve(Buffer.from(reply))
  }
  return { requests: { ask }, asked }
}

const [A, B] = [Buffer.from('a'), Buffer.from('b')]
const VALUE = '$1\r\nv\r\n'

t.test('a source whose time to live changes while it is read is read again', async (t) => {
  const { requests, asked } = scripted([
    ':-1\r\n',
    VALUE,
    ':5000\r\n',
    '$1\r\nw\r\n',
    ':5000\r\n',
    '+OK\r\n',
    ':1\r\n',
  ])
  t.equal(await renameKey(requests, A, B, true), 'done')
  t.same(asked.slice(-2), ['SET b w PXAT 5000', 'DELIFEQ a w'])
})

t.test('one that changes all the time is given up, and nothing is written', async (t) => {
  const replies = [':1\r\n']
  for (let i = 0; i < 30; i++) replies.push(VALUE, `:${i + 2}\r\n`)
  const { requests, asked } = scripted(replies)
  await t.rejects(copyKey(requests, A, B, true), { message: /^NOREPLICAS/ })
  t.notOk(asked.some((text) => text.startsWith('SET')))
})

t.test('a source that is gone by then is none', async (t) => {
  const { requests } = scripted([':-1\r\n', '$-1\r\n', ':-2\r\n'])
  t.equal(await copyKey(requests, A, B, true), 'no-source')
})

t.test('a source that was written meanwhile stays', async (t) => {
  const { requests } = scripted([':-1\r\n', VALUE, ':-1\r\n', '+OK\r\n', ':0\r\n'])
  t.equal(await renameKey(requests, A, B, true), 'done')
})

t.test('a destination that must not be replaced leaves the source where it is', async (t) => {
  const { requests, asked } = scripted([':-1\r\n', VALUE, ':-1\r\n', '$-1\r\n'])
  t.equal(await renameKey(requests, A, B, false), 'destination-exists')
  t.equal(asked.at(-1), 'SET b v NX')
})

t.test('what fails before the destination is written says what it says', async (t) => {
  const reading = scripted([':-1\r\n', '-NOREPLICAS Not enough good replicas to read.'])
  await t.rejects(renameKey(reading.requests, A, B, true), { message: /^NOREPLICAS/ })
  const writing = scripted([':-1\r\n', VALUE, ':-1\r\n', '-UNCERTAIN 1 of 2 replicas'])
  await t.rejects(renameKey(writing.requests, A, B, true), { message: /^UNCERTAIN 1 of 2/ })
})

t.test('what fails behind it is uncertain, whatever it says', async (t) => {
  const { requests } = scripted([
    ':-1\r\n',
    VALUE,
    ':-1\r\n',
    '+OK\r\n',
    '-NOREPLICAS Not enough good replicas',
  ])
  await t.rejects(renameKey(requests, A, B, true), { message: /^UNCERTAIN the new key is written/ })
})

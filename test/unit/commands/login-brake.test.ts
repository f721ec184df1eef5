import t from 'tap'
import { ADDRESSES_MAX, LoginBrake, LOGIN_DELAY_MS_MAX } from '../../../src/commands/login-brake.js'
import { FakeNode } from './fake-node.js'
import { NodeClient } from './node-client.js'

function fail(brake: LoginBrake, address: string, times: number, nowMs = 0): void {
  for (let i = 0; i < times; i++) brake.failed(address, nowMs)
}

t.test('the first ten failures of a minute are free, then each costs more, up to a second', (t) => {
  const brake = new LoginBrake()
  fail(brake, 'a', 10)
  t.equal(brake.delayMs('a', 0), 0)
  fail(brake, 'a', 1)
  t.equal(brake.delayMs('a', 0), 100)
  t.equal(brake.delayMs('b', 0), 0, 'others are not held up')
  fail(brake, 'a', 100)
  t.equal(brake.delayMs('a', 59_999), LOGIN_DELAY_MS_MAX)
  t.equal(brake.delayMs('a', 60_000), 0)
  t.end()
})

t.test('the address that failed longest ago is forgotten when there are too many', (t) => {
  const brake = new LoginBrake()
  fail(brake, 'first', 20)
  fail(brake, 'second', 20)
  for (let i = 2; i <= ADDRESSES_MAX; i++) brake.failed(`address ${i}`, 1)
  t.equal(brake.delayMs('first', 1), 0)
  t.equal(brake.delayMs('second', 1), LOGIN_DELAY_MS_MAX)
  t.end()
})

t.test('replies to AUTH and HELLO wait for the brake and say what they always say', async (t) => {
  const client = new NodeClient(new FakeNode({ requirepass: 'sesame' }))
  const WRONG = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'
  for (let i = 0; i < 10; i++) t.equal(await client.text('AUTH', 'wrong'), WRONG)
  const held: { answered: boolean; text: string }[] = []
  for (const line of [
    ['AUTH', 'wrong'],
    ['HELLO', '2', 'AUTH', 'default', 'wrong'],
    ['AUTH', 'sesame'],
    ['HELLO', '2', 'AUTH', 'default', 'sesame'],
  ]) {
    const reply = { answered: false, text: '' }
    held.push(reply)
    void client.text(...line).then((text) => Object.assign(reply, { answered: true, text }))
  }
  await new Promise(setImmediate)
  t.same(
    held.map(({ answered }) => answered),
    [false, false, false, false],
  )
  client.node.clock.advance(LOGIN_DELAY_MS_MAX)
  await new Promise(setImmediate)
  t.same(
    held.slice(0, 3).map(({ text }) => text),
    [WRONG, WRONG, '+OK\r\n'],
  )
  t.match(held[3].text, /^\*14\r\n/)
})

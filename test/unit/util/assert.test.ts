import t from 'tap'
import { AssertionError, assert, unreachable } from '../../../src/util/assert.js'

t.test('a false claim throws with the claim as its message, a true one does not', async (t) => {
  t.doesNotThrow(() => assert(true, 'holds'))
  t.throws(() => assert(false, 'the log is sorted'), { name: 'AssertionError', message: 'the log is sorted' })
  t.throws(() => assert(false, ''), AssertionError)
})

t.test('reaching the unreachable says with what', async (t) => {
  t.throws(() => unreachable('surprise' as never), {
    name: 'AssertionError',
    message: 'unreachable: surprise',
  })
})

import t from 'tap'
import { type Reply, ReplyParser } from '../../../src/resp/reply-parser.js'

t.test('replies are read however the bytes are cut, and may be kept', async (t) => {
  const input = Buffer.from('+OK\r\n$5\r\nhello\r\n*3\r\n:1\r\n$-1\r\n*1\r\n$3\r\nabc\r\n-ERR no\r\n')
  for (let cut = 0; cut <= input.length; cut++) {
    const replies: Reply[] = []
    const parser = new ReplyParser(
      (reply) => replies.push(reply),
      (error) => t.fail(error.message),
    )
    const pieces = [Buffer.from(input.subarray(0, cut)), Buffer.from(input.subarray(cut))]
    for (const piece of pieces) parser.execute(piece)
    for (const piece of pieces) piece.fill('?')
    parser.execute(Buffer.from('$9\r\noverwrite\r\n'))
    const [ok, hello, array, error] = replies
    t.same([ok, hello], [Buffer.from('OK'), Buffer.from('hello')], `cut at ${cut}`)
    t.same(array, [1, null, [Buffer.from('abc')]])
    t.ok(error instanceof Error && error.message === 'ERR no')
  }
})

t.test('bytes that are no reply are reported', async (t) => {
  const errors: Error[] = []
  const parser = new ReplyParser(
    () => t.fail('there is no reply'),
    (error) => errors.push(error),
  )
  parser.execute(Buffer.from('HTTP/1.1 400\r\n'))
  t.equal(errors.length, 1)
})

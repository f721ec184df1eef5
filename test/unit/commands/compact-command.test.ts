import t from 'tap'
import { TOKEN_END, TOKENS_PER_SLOT } from '../../../src/ring/token.js'
import { NodeClient } from './node-client.js'

const STARTED = '+Background compaction started\r\n'

t.test('KV.COMPACT asks for a family, for slots, for both or for all', async (t) => {
  const client = new NodeClient()
  for (const line of [
    ['ALL'],
    ['leveled'],
    ['SIZE-TIERED', '1', '2'],
    ['5', '5'],
    ['WINDOWS', '0', '16383'],
  ]) {
    t.equal(await client.text('KV.COMPACT', ...line), STARTED)
  }
  const everything = { minToken: 0, maxToken: TOKEN_END - 1 }
  t.same(client.node.wanted, [
    { families: [0, 1, 2], ...everything },
    { families: [0], ...everything },
    { families: [1], minToken: TOKENS_PER_SLOT, maxToken: 3 * TOKENS_PER_SLOT - 1 },
    { families: [0, 1, 2], minToken: 5 * TOKENS_PER_SLOT, maxToken: 6 * TOKENS_PER_SLOT - 1 },
    { families: [2], ...everything },
  ])
})

t.test('KV.COMPACT refuses what is no family and what are no slots', async (t) => {
  const client = new NodeClient()
  for (const line of [['TIERED'], ['LEVELED', '1'], ['1'], ['ALL', '1', '2', '3']]) {
    t.equal(await client.text('KV.COMPACT', ...line), '-ERR syntax error\r\n', line.join(' '))
  }
  for (const line of [
    ['2', '1'],
    ['ALL', '0', '16384'],
    ['-1', '3'],
    ['a', 'b'],
  ]) {
    t.equal(await client.text('KV.COMPACT', ...line), '-ERR Invalid or out of range slot\r\n', line.join(' '))
  }
  t.same(client.node.wanted, [])
})

t.test('without arguments it says what compactions have done and do', async (t) => {
  const reply = await new NodeClient().text('KV.COMPACT')
  t.match(reply, '{"byFamily":{},"byReason":{"garbage":2},"running":null,"wanted":null}')
})

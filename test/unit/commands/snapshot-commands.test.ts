import t from 'tap'
import { NodeClient } from './node-client.js'

t.test('BGSAVE answers at once, as Redis does, and one at a time', async (t) => {
  const client = new NodeClient()
  const { snapshots } = client.node
  t.equal(await client.text('BGSAVE'), '+Background saving started\r\n')
  t.equal(await client.text('BGSAVE'), '-ERR Background save already in progress\r\n')
  t.equal(await client.text('BGSAVE', 'SCHEDULE'), '-ERR Background save already in progress\r\n')
  t.equal(await client.text('SAVE'), '-ERR Background save already in progress\r\n')
  t.equal(await client.text('KV.SNAPSHOT', 'TAKE'), '-ERR Background save already in progress\r\n')
  t.equal(await client.text('KV.SNAPSHOT', 'PREPARE', 'x'), '-ERR Background save already in progress\r\n')
  t.match(await client.text('INFO', 'persistence'), /rdb_bgsave_in_progress:1\r\n/)
  snapshots.end(new Error('the disk is full'))
  t.equal(await client.text('BGSAVE', 'schedule'), '+Background saving started\r\n')
  t.same(snapshots.names, [undefined, undefined])
})

t.test('INFO has the fields of Redis', async (t) => {
  const found = await new NodeClient().text('INFO', 'persistence')
  for (const line of [
    'rdb_changes_since_last_save:7',
    'rdb_bgsave_in_progress:0',
    'rdb_last_save_time:1799999000',
    'rdb_last_bgsave_status:ok',
    'rdb_last_bgsave_time_sec:2',
    'rdb_current_bgsave_time_sec:-1',
  ])
    t.ok(found.includes(`${line}\r\n`), line)
})

t.test('BGSAVE refuses what Redis refuses', async (t) => {
  const client = new NodeClient()
  t.equal(await client.text('BGSAVE', 'nonsense'), '-ERR syntax error\r\n')
  t.equal(await client.text('BGSAVE', 'SCHEDULE', 'x'), '-ERR syntax error\r\n')
  t.match(await client.text('SAVE', 'x'), /wrong number of arguments/)
  t.same(client.node.snapshots.names, [])
})

t.test('SAVE and KV.SNAPSHOT TAKE answer when the snapshot is whole, or say why it is not', async (t) => {
  const client = new NodeClient()
  const { snapshots } = client.node
  const answer = async (error: Error | null, ...command: string[]): Promise<string> => {
    const text = client.text(...command)
    snapshots.end(error)
    return text
  }
  t.equal(await answer(null, 'SAVE'), '+OK\r\n')
  t.equal(await answer(new Error('no room'), 'SAVE'), '-ERR snapshot failed: no room\r\n')
  t.equal(await answer(null, 'KV.SNAPSHOT', 'TAKE', 'daily'), '$19\r\n/data/snapshots/one\r\n')
  t.equal(await answer(new Error('no room'), 'KV.SNAPSHOT', 'TAKE'), '-ERR snapshot failed: no room\r\n')
  t.same(snapshots.names, [undefined, undefined, 'daily', undefined])
})

t.test('KV.SNAPSHOT takes names that are no paths', async (t) => {
  const client = new NodeClient()
  for (const name of ['../up', '.hidden', 'a/b', 'half.tmp', '', 'x'.repeat(65)]) {
    t.match(await client.text('KV.SNAPSHOT', 'TAKE', name), /^-ERR a snapshot is called by/, name)
    t.match(await client.text('KV.SNAPSHOT', 'PREPARE', name), /^-ERR a snapshot is called by/, name)
  }
  t.equal(await client.text('KV.SNAPSHOT', 'PREPARE', 'daily-1.a_b'), '+OK\r\n')
  t.same(client.node.snapshots.prepared, ['daily-1.a_b'])
  t.same(await client.value('KV.SNAPSHOT', 'LIST'), ['one', 'two'])
})

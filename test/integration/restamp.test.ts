/** RULES C2: `kindred restamp` on real directories, which were written under a clock that was a day ahead. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { LocalKeyspace } from '../../src/coordinator/local-keyspace.js'
import { NodeClock } from '../../src/env/node-clock.js'
import { NodeDisk } from '../../src/env/node-disk.js'
import { NodeLog } from '../../src/env/node-log.js'
import { NodeRandom } from '../../src/env/node-random.js'
import { InlineJobs } from '../../src/storage/jobs/inline-jobs.js'
import { Store, WRITE_NOW } from '../../src/storage/store.js'
import { TINY } from '../sim/storage-machine.js'
import { runKindred } from '../support/kindred-process.js'
import { KindredNode, temporaryDirectory } from '../support/kindred-node.js'

const DAY_MS = 24 * 60 * 60 * 1000
const WARNING = 'the data directory holds stamps from the future'
const VALUE = 'x'.repeat(100)

class WrongClock extends NodeClock {
  override wallMs(): number {
    return super.wallMs() + DAY_MS
  }
}

/** Executes writes under the clock and leaves a directory as an orderly stop does. */
async function writes(
  directory: string,
  clock: NodeClock,
  run: (keyspace: LocalKeyspace, settle: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const disk = new NodeDisk()
  const env = {
    disk,
    clock,
    log: new NodeLog('silent'),
    random: new NodeRandom(),
    jobs: new InlineJobs(disk),
  }
  let waiting = (): void => {}
  const store = await Store.open(
    env,
    { ...TINY, directory },
    {
      onDurable: () => {
        keyspace.durableAdvanced()
        waiting()
      },
      onRoom: () => waiting(),
      onLogFailed: () => {},
      onReopened: () => {},
    },
  )
  const keyspace = new LocalKeyspace(store, clock, env.random, true)
  const settle = async (): Promise<void> => {
    while (store.durableSequence < store.sequence || store.admit(1000) !== WRITE_NOW) {
      await new Promise<void>((resolve) => (waiting = resolve))
    }
    keyspace.beginBatch()
  }
  await run(keyspace, settle)
  await settle()
  await store.close()
}

function set(keyspace: LocalKeyspace, key: string, text: string, expireAtMs = 0): void {
  const name = Buffer.from(key)
  const value = Buffer.from(text)
  keyspace.beginRequest()
  keyspace.find(name, 0, name.length)
  keyspace.set(name, 0, name.length, value, 0, value.length, expireAtMs)
}

function remove(keyspace: LocalKeyspace, key: string): void {
  const name = Buffer.from(key)
  keyspace.beginRequest()
  keyspace.find(name, 0, name.length)
  keyspace.delete(name, 0, name.length)
}

const KEYS = 100

/** Keys of before, most of them overwritten in the future, in tables and in the log. */
async function wrongDirectory(t: Test, expireAtMs: number): Promise<string> {
  const directory = temporaryDirectory(t)
  await writes(directory, new NodeClock(), async (keyspace, settle) => {
    for (let i = 0; i < KEYS; i++, await settle()) set(keyspace, `key:${i}`, 'before')
    set(keyspace, 'removed', 'before')
  })
  await writes(directory, new WrongClock(), async (keyspace, settle) => {
    for (let i = 1; i < KEYS; i++, await settle()) set(keyspace, `key:${i}`, `${i} ${VALUE}`)
    set(keyspace, 'expires', 'late', expireAtMs)
    remove(keyspace, 'removed')
  })
  return directory
}

/** Names and bytes of the tables and the manifest. */
function tablesOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.table'))
    .map((name) => `${name} ${readFileSync(`${directory}/${name}`).toString('base64')}`)
}

t.test('C2 a start says that stamps lie in the future, and restamp puts an end to it', async (t) => {
  const expireAtMs = Date.now() + 2 * DAY_MS
  const directory = await wrongDirectory(t, expireAtMs)
  const node = await KindredNode.start(t, { directory })
  const warning = await node.logged(WARNING)
  t.ok(Number(warning.aheadMs) > DAY_MS / 2)
  t.match(warning, { level: 'warn', repair: `stop the node, then: kindred restamp ${directory}` })
  t.ok(Number((await node.info()).get('storage_recovered_stamps_ahead_ms')) > DAY_MS / 2)
  const busy = await runKindred(['restamp', '--apply', directory])
  t.equal(busy.code, 1)
  t.match(busy.error, `the data directory ${directory} is in use by another node`)
  await node.stop()

  const listed = await runKindred(['restamp', directory])
  t.equal(listed.code, 0, listed.error)
  const lines = listed.out.trim().split('\n')
  t.equal(lines.length, KEYS + 2)
  t.equal(lines.pop(), `${KEYS + 1} keys with stamps from the future. Nothing was changed: see --apply.`)
  t.match(
    lines.find((line) => line.startsWith('"removed"')),
    /^"removed" 8\d{7} ms ahead$/,
  )
  t.notOk(
    lines.some((line) => line.startsWith('"key:0"')),
    'it was not written in the future',
  )
  const tables = tablesOf(directory)
  const again = await runKindred(['restamp', directory])
  const withoutTimes = (text: string): string => text.replace(/\d+ ms/g, 'ms')
  t.equal(withoutTimes(again.out), withoutTimes(listed.out))
  t.same(tablesOf(directory), tables, 'tables stay as they are')

  const applied = await runKindred(['restamp', '--apply', directory])
  t.equal(applied.error, '')
  t.match(applied.out, `${KEYS + 1} keys restamped, and old versions with stamps from the future removed.`)
  for (const flags of [[], ['--apply']]) {
    t.match(await runKindred(['restamp', ...flags, directory]), {
      code: 0,
      out: 'Nothing here has a stamp from the future.\n',
    })
  }

  await node.startAgain()
  t.notMatch(node.said, WARNING)
  t.ok(Number((await node.info()).get('storage_recovered_stamps_ahead_ms')) < 1000)
  const client = await node.open()
  t.equal(await client.ask('GET', 'key:0'), '$6\r\nbefore\r\n')
  for (let i = 1; i < KEYS; i++) {
    const value = `${i} ${VALUE}`
    t.equal(await client.ask('GET', `key:${i}`), `$${value.length}\r\n${value}\r\n`)
  }
  t.equal(await client.ask('EXISTS', 'removed'), ':0\r\n')
  t.equal(await client.ask('PEXPIRETIME', 'expires'), `:${expireAtMs}\r\n`)
  t.equal(await client.ask('DBSIZE'), `:${KEYS + 1}\r\n`)
  t.equal(await client.ask('SET', 'key:1', 'now'), '+OK\r\n')
  const idle = await client.ask('OBJECT', 'IDLETIME', 'key:1')
  t.match(idle, /^:\d\r\n$/, 'written at this time, as far as its stamp is concerned')
  client.close()
})

t.test('C2 a limit beyond the stamps finds nothing', async (t) => {
  const directory = await wrongDirectory(t, 0)
  const { out } = await runKindred(['restamp', '--limit-ms', String(2 * DAY_MS), directory])
  t.equal(out, 'Nothing here has a stamp from the future.\n')
})

t.test('C2 restamp says why a mark of FLUSHALL from the future cannot be taken back', async (t) => {
  const directory = temporaryDirectory(t)
  await writes(directory, new WrongClock(), async (keyspace) => {
    await keyspace.flushAll()
    set(keyspace, 'key', 'late')
  })
  for (const flags of [[], ['--apply']]) {
    const { code, out, error } = await runKindred(['restamp', ...flags, directory])
    t.equal(code, 1)
    t.match(out, /^"key" \d+ ms ahead\n$/)
    t.match(error, /the mark of the last FLUSHALL lies \d+ ms ahead\. Nothing was changed\./)
  }
})

t.test('C2 restamp refuses what it does not understand, and makes no directory', async (t) => {
  const parent = temporaryDirectory(t)
  const directory = `${parent}/absent`
  t.match(await runKindred(['restamp', directory]), { code: 1, error: /absent: not a data directory/ })
  t.match(await runKindred(['restamp']), { code: 1, error: /needs the path of one data directory/ })
  t.match(await runKindred(['restamp', 'a', 'b']), { code: 1, error: /one data directory/ })
  for (const limit of ['0', '-1', '1s', '']) {
    t.match(await runKindred(['restamp', `--limit-ms=${limit}`, 'a']), {
      code: 1,
      error: /--limit-ms: ".*", allowed/,
    })
  }
  t.match(await runKindred(['restamp', '--help']), { code: 0, out: /^Usage: kindred restamp/ })
  t.same(readdirSync(parent), [])
})

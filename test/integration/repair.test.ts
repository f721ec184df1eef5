/** Damage to the only copy, on real files: a node says what it is about, and `kindred repair` gives up what it is told to. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import {
  BATCH_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  isUnusedHead,
} from '../../src/storage/log/segment-format.js'
import { blockOffset, flipByte } from '../support/flip-byte.js'
import { KindredNode, SMALL_STORAGE, temporaryDirectory } from '../support/kindred-node.js'
import { runKindred } from '../support/kindred-process.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'

const KEYS = 3000
const BATCH = 100
/** Behind the end of a log there may be bytes of the log that its file was before; its first batch is its own. */
const IN_FIRST_BATCH = SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES + 100
const FLAGS = [...SMALL_STORAGE, '--appendfsync', 'no']

function valueOf(key: number): string {
  return `value of ${key} `.repeat(60)
}

/** A stopped node's directory with several tables and a log. */
async function written(t: Test): Promise<string> {
  const directory = temporaryDirectory(t)
  const node = await KindredNode.start(t, { directory, flags: FLAGS })
  const client = await node.open()
  for (let from = 0; from < KEYS; from += BATCH) {
    const sets = Array.from({ length: BATCH }, (_, i) => ['SET', from + i, valueOf(from + i)])
    await client.send(pipeline(...sets))
    for (let i = 0; i < BATCH; i++) await client.replyOrEnd()
  }
  await until('flushes and compactions rest', async () => {
    const info = await node.info()
    return info.get('storage_compacting') === '0' && Number(info.get('storage_segments')) <= 2
  })
  t.match(await node.stop(), { code: 0 })
  return directory
}

function namesOf(directory: string, ending: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .sort()
}

/** What all keys hold: the values, null, or the error. */
async function readAll(node: KindredNode): Promise<Map<string, number>> {
  const client = await node.open()
  const answers = new Map<string, number>()
  for (let key = 0; key < KEYS; key++) {
    const gets = Array.from({ length: BATCH }, (_, i) => ['GET', key + i])
    if (key % BATCH === 0) await client.send(pipeline(...gets))
    const reply = String(await client.replyOrEnd())
    const text = reply.startsWith('$-1') ? 'absent' : reply.startsWith('-') ? reply.slice(0, 8) : 'right'
    if (text === 'right' && !reply.includes(valueOf(key)))
      throw new Error(`${key} shows ${reply.slice(0, 50)}`)
    answers.set(text, (answers.get(text) ?? 0) + 1)
  }
  client.close()
  return answers
}

t.test('a damaged block of the only copy is an error, and is given up when that is said', async (t) => {
  const directory = await written(t)
  const name = namesOf(directory, '.table')[0]
  const path = join(directory, name)
  const offset = blockOffset(path, 3)
  flipByte(path, offset + 200)
  const damaged = readFileSync(path)

  const node = await KindredNode.start(t, { directory, flags: FLAGS })
  const before = await readAll(node)
  t.ok((before.get('-CORRUPT') ?? 0) > 0)
  t.equal(before.get('absent'), undefined)
  t.match(await node.logged('damage found'), {
    level: 'error',
    error: new RegExp(`${name} is damaged at byte`),
  })
  const info = await node.info()
  t.equal(info.get('storage_damage_found'), '1')
  t.match(info.get('storage_last_damage'), 'kindred help repair')
  const client = await node.open()
  t.equal(await client.ask('SET', 'new', '1'), '+OK\r\n', 'it goes on serving')
  await node.stop()

  const listed = await runKindred(['repair', directory])
  t.equal(listed.code, 1)
  t.match(listed.out, new RegExp(`${name}: byte ${offset}: block 3: its checksum does not match`))
  t.match(listed.out, /what is lost: keys of the slots \d+ to \d+, at most \d+ entries/)
  t.match(listed.out, `kindred repair ${directory} --discard ${name} --apply`)
  t.ok(existsSync(path), 'nothing was changed')
  t.match(await runKindred(['repair', directory, '--discard', 'MANIFEST', '--apply']), {
    code: 1,
    error: /not damaged, so not to be given up: MANIFEST/,
  })

  const applied = await runKindred(['repair', directory, '--discard', name, '--apply'])
  t.match(applied, { code: 0, out: new RegExp(`${name}: what was damaged is given up`) })
  t.notOk(existsSync(path))
  t.same(readFileSync(join(directory, 'quarantine', name)), damaged)
  t.match(await runKindred(['repair', directory]), { code: 0, out: 'Nothing here is damaged.\n' })
  await node.startAgain()
  const after = await readAll(node)
  t.equal(after.get('-CORRUPT'), undefined)
  t.equal(after.get('absent'), before.get('-CORRUPT'), 'what was damaged is gone, and nothing else')
  t.equal((await node.info()).get('storage_quarantined_files'), '1')
  t.equal(await (await node.open()).ask('DBSIZE'), `:${(after.get('right') ?? 0) + 1}\r\n`)
})

t.test('W1 the only copy is not started with a damaged table or log until they are given up', async (t) => {
  const directory = await written(t)
  const table = namesOf(directory, '.table').at(-1) ?? ''
  const tablePath = join(directory, table)
  flipByte(tablePath, statSync(tablePath).size - 100)
  const log = namesOf(directory, '.log').find((name) => isUsed(join(directory, name))) ?? ''
  flipByte(join(directory, log), IN_FIRST_BATCH)

  const node = KindredNode.make(t, { directory, flags: FLAGS })
  const refused = async (name: string): Promise<void> => {
    node.spawn()
    const { code, error } = await node.ended
    t.equal(code, 1)
    t.match(error, new RegExp(`${name} is damaged at byte \\d+: .*kindred help repair`))
  }
  await refused(table)
  const listed = await runKindred(['repair', directory])
  t.match(listed.out, new RegExp(`${table}: byte \\d+: `))
  t.match(listed.out, new RegExp(`${log}: byte \\d+: `))
  const half = await runKindred(['repair', directory, '--discard', table, '--apply'])
  t.match(
    half,
    { code: 1, error: new RegExp(`${log} is damaged`) },
    'the rest of the damage has its own word',
  )
  await refused(table)
  const applied = await runKindred(['repair', directory, '--discard', table, '--discard', log, '--apply'])
  t.equal(applied.code, 0, applied.error)
  t.same(namesOf(join(directory, 'quarantine'), '').sort(), [table, log].sort())
  await node.startAgain()
  const after = await readAll(node)
  t.equal(after.get('-CORRUPT'), undefined)
  t.ok((after.get('right') ?? 0) > 0 && (after.get('absent') ?? 0) > 0, JSON.stringify([...after]))
  await node.kill9()
})

/** Not a log that was made ahead. */
function isUsed(path: string): boolean {
  return !isUnusedHead(readFileSync(path).subarray(0, SEGMENT_HEADER_BYTES))
}

t.test('repair refuses what it does not understand', async (t) => {
  t.match(await runKindred(['repair']), { code: 1, error: /needs the path of one data directory/ })
  t.match(await runKindred(['repair', '/nowhere']), { code: 1, error: /not a data directory/ })
  t.match(await runKindred(['repair', 'a', '--apply']), { code: 1, error: /--apply: name with --discard/ })
  t.match(await runKindred(['repair', '--help']), { code: 0, out: /^Usage: kindred repair/ })
})

import t from 'tap'
import type { Test } from 'tap'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import { NodeClient } from './node-client.js'
import { parseReply } from './reply-value.js'
import type { ReplyValue } from './reply-value.js'
import { PrivateRedis } from '../../support/private-redis.js'

/** Commands that Redis 7.0 does not have: they came with later versions of Redis or Valkey, or are our own. */
const NEWER_THAN_7_0 = [
  'delex',
  'delifeq',
  'kv.siblings',
  'kv.quorum',
  'kv.status',
  'kv.repair',
  'kv.snapshot',
  'kv.compact',
  'client|setinfo',
  'client|no-touch',
  'client|capa',
  'kv.snapshot|take',
  'kv.snapshot|prepare',
  'kv.snapshot|list',
]

const NAME = 0
const KEY_SPECS = 8
const SUBCOMMANDS = 9
type Info = readonly ReplyValue[]

const redis = await PrivateRedis.start()
const connection = await redis.open()
t.teardown(async () => {
  connection.close()
  await redis.stop()
})

const ours = (await new NodeClient().value('COMMAND')) as readonly Info[]
const names = ours.map((info) => info[NAME] as string)
const theirs = parseReply(await connection.text('COMMAND', 'INFO', ...names)) as readonly (Info | null)[]

t.test('COMMAND INFO of every 7.0 command is what redis-server answers, field by field', async (t) => {
  for (const [index, info] of ours.entries()) {
    const expected = theirs[index]
    if (expected !== null) compare(t, info, expected)
  }
})

t.test('what redis-server 7.0 does not know is exactly the list of newer commands', async (t) => {
  const unknown = names.filter((_, index) => theirs[index] === null)
  for (const [index, info] of ours.entries()) {
    const known = new Set(subcommands(theirs[index] ?? []).map((sub) => sub[NAME]))
    for (const sub of subcommands(info)) if (!known.has(sub[NAME])) unknown.push(sub[NAME] as string)
  }
  t.same(unknown, NEWER_THAN_7_0)
})

t.test('COMMAND INFO is the same bytes as redis-server sends, in RESP2 and RESP3', async (t) => {
  const client = new NodeClient()
  const sample = [
    'get',
    'mset',
    'rename',
    'lcs',
    'incrbyfloat',
    'unlink',
    'expire',
    'ping',
    'object|encoding',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    const request = ['COMMAND', 'INFO', ...sample, 'no-such-command'] as const
    t.equal(await client.text(...request), await connection.text(...request), `RESP${protocol}`)
  }
  await connection.text('HELLO', '2')
})

t.test('COMMAND DOCS agrees with redis-server on version, group, deprecation and arguments', async (t) => {
  const docs = docsOf(await new NodeClient().value('COMMAND', 'DOCS'))
  const expected = docsOf(parseReply(await connection.text('COMMAND', 'DOCS', ...names)))
  for (const [name, doc] of docs) {
    const other = expected.get(name)
    if (other === undefined) continue
    t.match(doc, { since: other.since, group: other.group, deprecated_since: other.deprecated_since }, name)
    if (!OWN_ARGUMENTS.has(name)) t.same(doc.arguments, other.arguments, `arguments of ${name}`)
  }
})

t.test('COMMAND DOCS is complete in RESP3 too, where maps are maps', async (t) => {
  const client = new NodeClient()
  const flat = await client.value('COMMAND', 'DOCS', 'set', 'client|kill')
  await client.text('HELLO', '3')
  t.same(flattened(await client.value('COMMAND', 'DOCS', 'set', 'client|kill')), flat)
  t.equal(((await client.value('COMMAND', 'DOCS')) as ReadonlyMap<unknown, unknown>).size, names.length)
})

/** Maps as RESP2 writes them. */
function flattened(value: ReplyValue): ReplyValue {
  if (value instanceof Map) return [...value].flat().map((part) => flattened(part as ReplyValue))
  return Array.isArray(value) ? value.map((part) => flattened(part as ReplyValue)) : value
}

t.test('every command says in a sentence of its own what it does', async (t) => {
  const summaries = new Map<string, string>()
  for (const row of COMMAND_ROWS.flatMap((row) => [row, ...(row.subcommands ?? [])])) {
    t.match(row.summary, /^[A-Z].*\.$/, row.name)
    summaries.set(row.summary, row.name)
  }
  t.ok(summaries.size > 100)
})

/**
 * Commands whose arguments are told differently on purpose: options that are newer than 7.0, options that the table
 * writes more simply than Redis's tree has them, and those whose arguments Redis does not tell.
 */
const OWN_ARGUMENTS = new Set([
  'set',
  'debug',
  'client|list',
  'client|kill',
  'config|get',
  'client|tracking',
  'client|caching',
  'command|getkeys',
  'command|getkeysandflags',
])

interface Doc {
  readonly since?: ReplyValue
  readonly group?: ReplyValue
  readonly deprecated_since?: ReplyValue
  readonly arguments?: unknown
}

/** All docs by full name, subcommands included; of the arguments only what is not a mere label. */
function docsOf(reply: ReplyValue): Map<string, Doc> {
  const found = new Map<string, Doc>()
  for (const [name, fields] of pairs(reply)) {
    const doc = new Map(pairs(fields))
    const args = doc.get('arguments')
    found.set(name as string, {
      since: doc.get('since'),
      group: doc.get('group'),
      deprecated_since: doc.get('deprecated_since'),
      arguments: args === undefined ? undefined : argumentShapes(args),
    })
    const subcommands = doc.get('subcommands')
    if (subcommands !== undefined) for (const [sub, subDoc] of docsOf(subcommands)) found.set(sub, subDoc)
  }
  return found
}

/** Names of blocks and choices are labels of Redis's own; names of leaves are what a user reads. */
function argumentShapes(args: ReplyValue): unknown {
  return (args as readonly ReplyValue[]).map((argument) => {
    const fields = new Map(pairs(argument))
    const parts = fields.get('arguments')
    const type = fields.get('type')
    const label = type === 'oneof' || type === 'block' || type === 'pure-token'
    return {
      name: label ? undefined : fields.get('name'),
      type,
      token: fields.get('token'),
      flags: fields.get('flags'),
      keySpec: fields.get('key_spec_index'),
      parts: parts === undefined ? undefined : argumentShapes(parts),
    }
  })
}

/** A map as RESP2 flattens it. */
function pairs(flat: ReplyValue): [ReplyValue, ReplyValue][] {
  const items = flat as readonly ReplyValue[]
  return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i], items[2 * i + 1]])
}

function compare(t: Test, info: Info, expected: Info): void {
  const name = info[NAME] as string
  t.equal(info.length, expected.length, `${name}: number of fields`)
  t.same(info.slice(0, KEY_SPECS), expected.slice(0, KEY_SPECS), `${name}: name to tips`)
  t.same(withoutNotes(info[KEY_SPECS]), withoutNotes(expected[KEY_SPECS]), `${name}: key specifications`)
  const expectedSubs = new Map(subcommands(expected).map((sub) => [sub[NAME], sub]))
  for (const sub of subcommands(info)) {
    const other = expectedSubs.get(sub[NAME])
    if (other !== undefined) compare(t, sub, other)
  }
}

function subcommands(info: Info): readonly Info[] {
  return (info[SUBCOMMANDS] ?? []) as readonly Info[]
}

/** The notes are sentences, and ours are our own. */
function withoutNotes(specs: ReplyValue): unknown {
  return (specs as readonly ReplyValue[]).map((spec) => pairs(spec).filter(([name]) => name !== 'notes'))
}

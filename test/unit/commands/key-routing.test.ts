import t from 'tap'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import {
  CROSS_SLOT,
  KeyRouting,
  SLOT_NOT_SERVED,
  effectOf,
  movedText,
} from '../../../src/commands/key-routing.js'
import { PartsReply } from '../../../src/commands/parts-reply.js'
import { RequestParts } from '../../../src/commands/request-parts.js'
import { ReplyWriter } from '../../../src/resp/reply-writer.js'
import { slotOf } from '../../../src/ring/slot.js'
import { assert } from '../../../src/util/assert.js'
import { encodeCommand } from '../../support/resp-frames.js'
import { registry } from './node-client.js'

function requestOf(line: string) {
  const args = line.split(' ').map((arg) => Buffer.from(arg))
  const { bytes, offsets } = encodeCommand(args)
  const command = registry.resolve(bytes, offsets, args.length)
  assert(command !== null, `a command: ${line}`)
  return { command, bytes, offsets, argc: args.length }
}

function routed(line: string): readonly [keys: number, slot: number, isOneSlot: boolean, lastSlot: number] {
  const { command, bytes, offsets, argc } = requestOf(line)
  const routing = new KeyRouting()
  // What an earlier request has left must not show.
  const before = requestOf('mset x 1 y 2')
  routing.of(before.command, before.bytes, before.offsets, before.argc)
  routing.of(command, bytes, offsets, argc)
  return [routing.keys, routing.slot, routing.isOneSlot, routing.lastSlot]
}

function slot(key: string): number {
  return slotOf(Buffer.from(key), 0, key.length)
}

t.test('the keys of a request are found wherever its row says, with the slot of the first', (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map(slot)
  t.same(routed('get a'), [1, a, true, a])
  t.same(routed('SET a b'), [1, a, true, a])
  t.same(routed('mget a b c'), [3, a, false, c])
  t.same(routed('mset a 1 b 2'), [2, a, false, b])
  t.same(routed('mset a b'), [1, a, true, a])
  t.same(routed('del a a'), [2, a, true, a])
  t.same(routed('del a b a'), [3, a, false, a])
  t.same(routed('rename a b'), [2, a, false, b])
  t.same(routed('copy a b REPLACE'), [2, a, false, b])
  t.same(routed('lcs a b IDX'), [2, a, false, b])
  t.same(routed('object encoding b'), [1, b, true, b])
  t.same(routed('memory usage b SAMPLES 5'), [1, b, true, b])
  for (const line of ['ping', 'ping a', 'client list', 'dbsize', 'scan 0', 'object help', 'flushall']) {
    t.same(routed(line), [0, -1, true, -1], line)
  }
  t.end()
})

t.test('a hash tag puts keys into one slot', (t) => {
  t.same(routed('mget {t}a x{t}y t'), [3, slot('t'), true, slot('t')])
  t.same(routed('mget {}a {}b')[2], false)
  t.same(routed('rename {t}a {u}a').slice(1), [slot('t'), false, slot('u')])
  t.end()
})

t.test('redirections are worded as Redis words them', (t) => {
  t.equal(movedText(12182, '10.0.0.7', 8002), 'MOVED 12182 10.0.0.7:8002')
  t.equal(CROSS_SLOT, "CROSSSLOT Keys in request don't hash to the same slot")
  t.equal(SLOT_NOT_SERVED, 'CLUSTERDOWN Hash slot not served')
  t.end()
})

const ROWS = COMMAND_ROWS.flatMap((row) => [row, ...(row.subcommands ?? [])])

t.test('a command writes exactly when it is flagged so, and has keys exactly when it works on them', (t) => {
  for (const row of ROWS) {
    const flags = row.flags.split(' ')
    const writes = row.effect === 'blind-write' || row.effect === 'conditional'
    if (flags.includes('readonly')) t.ok(row.effect === 'read' || row.effect === 'keyspace', row.name)
    // FUNCTION FLUSH has nothing to flush; KV.QUORUM is what the command in it is.
    if (row.name === 'flush' || row.name === 'kv.quorum') continue
    if (row.effect === 'keyspace') t.equal(row.keys, undefined, row.name)
    else t.equal(flags.includes('write'), writes, row.name)
    if (writes || row.effect === 'read') t.ok(row.keys !== undefined, `${row.name} has keys`)
    if (row.effect === 'node' && row.keys !== undefined) t.equal(row.name, 'watch', 'which is refused')
  }
  t.end()
})

t.test('a command of several keys says how it is taken apart, one of one key does not', (t) => {
  for (const row of ROWS) {
    if (row.effect === 'node') continue
    const keys = row.keys ?? []
    const hasSeveral = keys.length > 1 || keys.some(({ last = 0 }) => last !== 0)
    t.equal(row.split !== undefined, hasSeveral, row.name)
  }
  t.end()
})

t.test('a write is blind only when neither its reply nor its effect depends on the old value', (t) => {
  const effect = (line: string) => {
    const { command, bytes, offsets, argc } = requestOf(line)
    return effectOf(command, bytes, offsets, argc)
  }
  const blind =
    'set k v|SET k v EX 10|set k v PXAT 1000|set k NX|set GET IFEQ|setex k 1 v|psetex k 1 v|mset k v|kv.siblings k RESOLVE c VALUE KEEPTTL EX 10|kv.siblings k RESOLVE c DELETE'
  for (const line of blind.split('|')) t.equal(effect(line), 'blind-write', line)
  const conditional =
    'set k v NX|set k v xx|kv.siblings k RESOLVE c VALUE v keepttl|set k v Get|set k v EX 10 nx|set k v IFEQ w|set k v keepttl|setnx k v|getset k v|' +
    'getdel k|getex k|msetnx k v|append k v|incr k|decrby k 1|incrbyfloat k 1|setbit k 1 1|setrange k 0 v|' +
    'del k|unlink k|delex k|delifeq k v|expire k 1|pexpireat k 1|persist k|rename k l|renamenx k l|copy k l'
  for (const line of conditional.split('|')) t.equal(effect(line), 'conditional', line)
  for (const line of [
    'get k',
    'mget k',
    'ttl k',
    'exists k',
    'lcs k l',
    'touch k',
    'object freq k',
    'kv.siblings k',
  ]) {
    t.equal(effect(line), 'read', line)
  }
  for (const line of ['dbsize', 'keys *', 'scan 0', 'randomkey', 'flushall', 'flushdb']) {
    t.equal(effect(line), 'keyspace', line)
  }
  for (const line of ['ping', 'info', 'config get x', 'client id', 'multi', 'wait 0 0', 'cluster slots']) {
    t.equal(effect(line), 'node', line)
  }
  t.end()
})

/** The parts of a request as lines; null when it is not taken apart. */
function partsOf(line: string): readonly string[] | null {
  const { command, bytes, offsets, argc } = requestOf(line)
  const parts = new RequestParts()
  if (!parts.begin(command, bytes, offsets, argc)) return null
  return Array.from({ length: parts.count }, (_, index) => {
    parts.take(index)
    const at = parts.offsets
    return Array.from({ length: parts.argc }, (_, i) =>
      bytes.toString('utf8', at[2 * i], at[2 * i + 1]),
    ).join(' ')
  })
}

t.test('requests of several keys become requests of one key, without a copy', (t) => {
  t.same(partsOf('MGET a b c'), ['GET a', 'GET b', 'GET c'])
  t.same(partsOf('mSeT a 1 b 2'), ['SeT a 1', 'SeT b 2'])
  t.same(partsOf('del a b'), ['del a', 'del b'])
  t.same(partsOf('UNLINK a b'), ['UNLINK a', 'UNLINK b'])
  t.same(partsOf('exists a a'), ['exists a', 'exists a'])
  t.same(partsOf('touch a'), ['touch a'])
  for (const line of ['mset a 1 b', 'msetnx a 1 b 2', 'rename a b', 'lcs a b', 'get a']) {
    t.equal(partsOf(line), null, line)
  }
  t.end()
})

/** What the parts' replies come to, behind a reply that stands in the writer already. */
function together(line: string, replies: readonly string[]): string {
  const { command } = requestOf(line)
  const writer = new ReplyWriter(16)
  writer.ok()
  const whole = new PartsReply()
  whole.begin(writer, command.split ?? 'never', command.isWrite, replies.length)
  for (const text of replies) whole.add(Buffer.from(`<<${text}>>`), 2, 2 + Buffer.byteLength(text))
  whole.end()
  return writer.buffer.toString('utf8', 5, writer.length)
}

t.test('the parts’ replies become one', (t) => {
  t.equal(together('mget a b', ['$1\r\nx\r\n', '$-1\r\n']), '*2\r\n$1\r\nx\r\n$-1\r\n')
  t.equal(together('del a b c', [':1\r\n', ':0\r\n', ':1\r\n']), ':2\r\n')
  t.equal(together('exists a b', [':12\r\n', ':30\r\n']), ':42\r\n')
  t.equal(together('mset a 1 b 2', ['+OK\r\n', '+OK\r\n']), '+OK\r\n')
  t.end()
})

t.test(
  'an error of the whole is true of the whole: a write of which a part was applied is uncertain',
  (t) => {
    const none = '-NOREPLICAS Not enough good replicas to write.\r\n'
    const unsure = '-UNCERTAIN may appear\r\n'
    const partly = `-UNCERTAIN some of the keys were written, others not: ${none.slice(1)}`
    t.equal(together('mget a b', ['$1\r\nx\r\n', none]), none)
    t.equal(together('exists a b', [':1\r\n', none]), none)
    t.equal(together('mset a 1 b 2', [none, none]), none)
    t.equal(together('mset a 1 b 2', [none, '+OK\r\n']), partly)
    t.equal(together('mset a 1 b 2', ['+OK\r\n', none]), partly)
    t.equal(together('del a b', [':0\r\n', none]), none)
    t.equal(together('del a b', [':1\r\n', none]), partly)
    t.equal(together('mset a 1 b 2', [none, unsure]), unsure)
    t.equal(together('mset a 1 b 2 c 3', [unsure, none, '+OK\r\n']), unsure)
    t.end()
  },
)

/** KV.SIBLINGS over the keyspace of a single node, on a simulated machine. */
import t from 'tap'
import { CONTEXT_AHEAD, FOREIGN_CONTEXT, MALFORMED_CONTEXT } from '../../../src/commands/siblings-command.js'
import { SIBLINGS_MAX } from '../../../src/record/caps.js'
import { formatContext, parseContext } from '../../../src/record/context.js'
import { wallMsToHlc } from '../../../src/record/hlc.js'
import { newestHlc } from '../../../src/record/version-vector.js'
import type { VersionVector } from '../../../src/record/version-vector.js'
import { assert } from '../../../src/util/assert.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'
import { NodeClient } from './node-client.js'
import { parseReply } from './reply-value.js'
import type { ReplyValue } from './reply-value.js'

interface Shown {
  readonly context: string
  readonly siblings: readonly Readonly<Record<string, ReplyValue>>[]
}

/** One client of a node with a store of its own. */
class Kv {
  readonly machine = StorageMachine.fromSeed('siblings', { ...TINY, segmentBytes: 256 * 1024 })
  client!: NodeClient

  static async start(): Promise<Kv> {
    const kv = new Kv()
    await kv.machine.start()
    kv.client = new NodeClient(undefined, undefined, kv.machine.keyspace)
    return kv
  }

  async ask(...args: readonly string[]): Promise<ReplyValue> {
    const { machine } = this
    const { keyspace } = machine
    await machine.admission(8000)
    for (;;) {
      keyspace.beginBatch()
      keyspace.beginRequest()
      const text = await this.client.text(...args)
      await machine.settle()
      if (text !== '') return parseReply(text)
      const loaded = await machine.ended(keyspace.whenLoaded(null), 'blocks load')
      loaded?.release()
    }
  }

  async show(key: string): Promise<Shown> {
    const reply = (await this.ask('KV.SIBLINGS', key)) as readonly ReplyValue[]
    const siblings = (reply[3] as readonly (readonly ReplyValue[])[]).map((flat) =>
      Object.fromEntries(
        Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1]]),
      ),
    )
    return { context: reply[1] as string, siblings }
  }

  async values(key: string): Promise<ReplyValue[]> {
    return (await this.show(key)).siblings.map(({ value }) => value)
  }

  resolve(key: string, context: string, ...args: readonly string[]): Promise<ReplyValue> {
    return this.ask('KV.SIBLINGS', key, 'RESOLVE', context, ...args)
  }
}

function vectorOf(key: string, token: string): VersionVector {
  const parsed = parseContext(Buffer.from(key), token)
  assert(parsed.kind === 'context', 'a context of ours')
  return parsed.context
}

t.test('KV.SIBLINGS shows what a key holds: value, actor, time and time to live', async (t) => {
  const kv = await Kv.start()
  await kv.ask('SET', 'k', 'v', 'PX', '5000')
  const writtenAt = kv.machine.nowMs
  await kv.machine.advance(1000)
  const { context, siblings } = await kv.show('k')
  const { actor } = kv.machine.keyspace
  t.equal(siblings.length, 1)
  t.match(siblings[0], { kind: 'value', value: 'v', actor })
  t.ok(Math.abs((siblings[0].time as number) - writtenAt) < 500)
  t.ok((siblings[0].ttl as number) <= 4000 && (siblings[0].ttl as number) > 3000)
  t.same(
    vectorOf('k', context).map((entry) => entry.actor),
    [actor],
  )
  await kv.ask('SET', 'k', 'w')
  t.equal((await kv.show('k')).siblings[0].ttl, -1)
})

t.test('KV.SIBLINGS tells a deletion and an expired value from a live one', async (t) => {
  const kv = await Kv.start()
  t.same((await kv.show('k')).siblings, [])
  await kv.ask('SET', 'k', 'v')
  await kv.ask('DEL', 'k')
  t.match((await kv.show('k')).siblings, [{ kind: 'deletion', value: null, ttl: -2 }])
  await kv.ask('SET', 'k', 'v', 'PX', '100')
  await kv.machine.advance(200)
  t.match((await kv.show('k')).siblings, [{ kind: 'expired', value: null, ttl: -2 }])
  await kv.ask('SET', 'k', 'v')
  const flushed = kv.machine.keyspace.flushAll()
  await kv.machine.settle()
  await flushed
  t.same((await kv.show('k')).siblings, [], 'what was flushed is gone')
})

t.test('KV.SIBLINGS answers maps in RESP3', async (t) => {
  const kv = await Kv.start()
  await kv.ask('SET', 'k', 'v')
  await kv.client.text('HELLO', '3')
  const reply = (await kv.ask('KV.SIBLINGS', 'k')) as ReadonlyMap<string, ReplyValue>
  t.same([...reply.keys()], ['context', 'siblings'])
  const [sibling] = reply.get('siblings') as readonly ReadonlyMap<string, ReplyValue>[]
  t.same([...sibling.keys()], ['kind', 'value', 'actor', 'time', 'ttl'])
})

t.test('V3 RESOLVE replaces exactly what its writer has seen, and leaves the rest beside it', async (t) => {
  const kv = await Kv.start()
  const nothing = (await kv.show('cart')).context
  t.equal(await kv.resolve('cart', nothing, 'VALUE', 'milk'), '+OK')
  t.equal(await kv.resolve('cart', nothing, 'VALUE', 'bread'), '+OK')
  const both = await kv.show('cart')
  t.same(
    both.siblings.map(({ value }) => value),
    ['bread', 'milk'],
    'the later first',
  )
  t.equal(await kv.ask('GET', 'cart'), 'bread')
  t.equal(await kv.ask('DBSIZE'), 1)
  await kv.resolve('cart', nothing, 'VALUE', 'eggs')
  t.equal(await kv.resolve('cart', both.context, 'VALUE', 'bread, milk'), '+OK')
  t.same(await kv.values('cart'), ['bread, milk', 'eggs'])
  await kv.resolve('cart', both.context, 'VALUE', 'tea')
  t.same(await kv.values('cart'), ['tea', 'bread, milk', 'eggs'], 'what was replaced does not come back')
  await kv.resolve('cart', (await kv.show('cart')).context, 'DELETE')
  t.match((await kv.show('cart')).siblings, [{ kind: 'deletion' }])
  t.equal(await kv.ask('GET', 'cart'), null)
  t.equal(await kv.ask('DBSIZE'), 0)
})

t.test('V3 the context of a resolved key covers the local one, the client’s and the new dot', async (t) => {
  const kv = await Kv.start()
  await kv.ask('SET', 'k', 'v')
  const foreign = { actor: 7, hlc: wallMsToHlc(kv.machine.nowMs - 1000) }
  await kv.resolve('k', formatContext(Buffer.from('k'), [foreign]), 'VALUE', 'w')
  const { context, siblings } = await kv.show('k')
  t.same(
    siblings.map(({ value }) => value),
    ['w', 'v'],
  )
  t.same(
    vectorOf('k', context).map(({ actor }) => actor),
    [7, kv.machine.keyspace.actor],
  )
})

t.test('V4 a new dot exceeds every entry of the client’s context', async (t) => {
  const kv = await Kv.start()
  const ahead = { actor: 7, hlc: wallMsToHlc(kv.machine.nowMs + 400) }
  t.equal(await kv.resolve('k', formatContext(Buffer.from('k'), [ahead]), 'VALUE', 'v'), '+OK')
  const newest = newestHlc(vectorOf('k', (await kv.show('k')).context))
  t.ok(newest > ahead.hlc)
  await kv.ask('SET', 'other', 'v')
  t.ok(newestHlc(vectorOf('other', (await kv.show('other')).context)) > newest, 'and so does every later one')
})

t.test('V3 a context more than max-clock-drift ahead is refused, and so is one that is none', async (t) => {
  const kv = await Kv.start()
  await kv.ask('SET', 'k', 'v')
  const { context } = await kv.show('k')
  const ahead = [{ actor: 7, hlc: wallMsToHlc(kv.machine.nowMs + 600) }]
  const refusals = [
    [formatContext(Buffer.from('k'), ahead), CONTEXT_AHEAD],
    [(await kv.show('other')).context, FOREIGN_CONTEXT],
    [context.replace(/.$/, ''), MALFORMED_CONTEXT],
    ['', MALFORMED_CONTEXT],
  ]
  for (const [token, error] of refusals) t.equal(await kv.resolve('k', token, 'VALUE', 'w'), `-${error}`)
  t.same(await kv.values('k'), ['v'])
})

t.test('V8 the write that would make one sibling too many is refused, and changes nothing', async (t) => {
  const kv = await Kv.start()
  const nothing = (await kv.show('k')).context
  for (let i = 0; i < SIBLINGS_MAX; i++) t.equal(await kv.resolve('k', nothing, 'VALUE', `v${i}`), '+OK')
  const before = await kv.show('k')
  t.match(await kv.resolve('k', nothing, 'VALUE', 'one more'), /^-ERR the key has 64 siblings/)
  t.same(await kv.show('k'), before)
  t.equal(await kv.resolve('k', before.context, 'VALUE', 'one'), '+OK')
  t.same(await kv.values('k'), ['one'])
})

t.test(
  'interleaving writers that carry contexts leave no more siblings than there are writers',
  async (t) => {
    const kv = await Kv.start()
    const contexts = await Promise.all(['', '', ''].map(async () => (await kv.show('k')).context))
    let most = 0
    for (let round = 0; round < 60; round++) {
      const writer = round % contexts.length
      await kv.resolve('k', contexts[writer], 'VALUE', `writer ${writer} round ${round}`)
      const shown = await kv.show('k')
      contexts[writer] = shown.context
      most = Math.max(most, shown.siblings.length)
    }
    t.equal(most, contexts.length)
  },
)

t.test('RESOLVE takes a time to live, keeps one, and may let the key expire at once', async (t) => {
  const kv = await Kv.start()
  const resolveSeen = async (...args: readonly string[]) =>
    kv.resolve('k', (await kv.show('k')).context, 'VALUE', 'v', ...args)
  const ttl = async () => (await kv.show('k')).siblings[0].ttl as number
  await resolveSeen('EX', '100')
  t.ok((await ttl()) > 99_000 && (await ttl()) <= 100_000)
  await resolveSeen('KEEPTTL')
  t.ok((await ttl()) > 99_000)
  await resolveSeen()
  t.equal(await ttl(), -1)
  await resolveSeen('KEEPTTL')
  t.equal(await ttl(), -1)
  await resolveSeen('PXAT', String(kv.machine.nowMs + 3000))
  t.ok((await ttl()) <= 3000 && (await ttl()) > 2000)
  t.equal(await kv.ask('DBSIZE'), 1)
  t.equal(await resolveSeen('EXAT', '1000'), '+OK')
  t.equal((await kv.show('k')).siblings[0].kind, 'expired')
  t.equal(await kv.ask('GET', 'k'), null)
  t.equal(await kv.ask('DBSIZE'), 0)
})

t.test('siblings and their context survive a restart', async (t) => {
  const kv = await Kv.start()
  const nothing = (await kv.show('k')).context
  await kv.resolve('k', nothing, 'VALUE', 'a')
  await kv.resolve('k', nothing, 'VALUE', 'b')
  const before = await kv.show('k')
  await kv.machine.stop()
  await kv.machine.start()
  kv.client = new NodeClient(undefined, undefined, kv.machine.keyspace)
  t.same(await kv.show('k'), before)
  await kv.resolve('k', before.context, 'VALUE', 'c')
  t.same(await kv.values('k'), ['c'])
})

t.test('what is not KV.SIBLINGS’ syntax is refused', async (t) => {
  const kv = await Kv.start()
  const { context } = await kv.show('k')
  const lines = [
    ['NONSENSE'],
    ['RESOLVE', context],
    ['RESOLVE', context, 'VALUE'],
    ['RESOLVE', context, 'NONSENSE', 'v'],
    ['RESOLVE', context, 'DELETE', 'EX', '10'],
    ['RESOLVE', context, 'VALUE', 'v', 'EX'],
    ['RESOLVE', context, 'VALUE', 'v', 'EX', '10', 'PX', '10'],
    ['RESOLVE', context, 'VALUE', 'v', 'KEEPTTL', 'PX', '10'],
    ['RESOLVE', context, 'VALUE', 'v', 'NX'],
  ]
  for (const line of lines)
    t.equal(await kv.ask('KV.SIBLINGS', 'k', ...line), '-ERR syntax error', line.join(' '))
  t.equal(
    await kv.resolve('k', context, 'VALUE', 'v', 'EX', '0'),
    "-ERR invalid expire time in 'kv.siblings' command",
  )
  t.equal(
    await kv.resolve('k', context, 'VALUE', 'v', 'EX', 'x'),
    '-ERR value is not an integer or out of range',
  )
  t.same(await kv.values('k'), [])
})

import t from 'tap'
import { CommandRegistry } from '../../../src/commands/registry.js'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import { DONE } from '../../../src/commands/request.js'
import type { CommandRow } from '../../../src/commands/table/command-row.js'
import { ReplyWriter } from '../../../src/resp/reply-writer.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { encodeCommand } from '../../support/resp-frames.js'
import { Seeded } from '../../support/seeded.js'
import { NodeClient, registry } from './node-client.js'

function find(name: string | Buffer) {
  const bytes = Buffer.concat([Buffer.from('<<'), Buffer.from(name as string), Buffer.from('>>')])
  return registry.find(bytes, 2, bytes.length - 2)
}

t.test('every command of the table is found under its name in any case', async (t) => {
  for (const { name } of COMMAND_ROWS) {
    t.equal(find(name)?.name, name)
    t.equal(find(name.toUpperCase())?.name, name)
    t.equal(find(name[0].toUpperCase() + name.slice(1))?.name, name)
  }
})

t.test('what is not exactly a name is not found', async (t) => {
  const names = new Set(COMMAND_ROWS.map((row) => row.name))
  const seed = 20_261
  const random = new Seeded(seed)
  for (let i = 0; i < 20_000; i++) {
    const name = Buffer.from(random.pick(COMMAND_ROWS).name)
    name[random.below(name.length)] = random.below(256)
    const text = name.toString('latin1')
    const lower = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    const found = find(name)?.name
    if (found !== (names.has(lower) ? lower : undefined)) t.fail(`seed ${seed}: ${JSON.stringify(text)}`)
  }
  for (const name of ['', 'ge', 'gett', 'get ', '\0get', 'g\u0145t', 'x'.repeat(100_000)])
    t.equal(find(name), null)
})

t.test('bytes that only the hash takes for letters do not pass for them', async (t) => {
  const dashed: CommandRow = { ...COMMAND_ROWS[0], name: 'a-b[c' }
  const small = new CommandRegistry({ 'a-b[c': () => DONE }, { rows: [dashed] })
  for (const [name, expected] of [
    ['A-B[C', 'a-b[c'],
    ['a\rb[c', undefined],
    ['a-b{c', undefined],
  ] as const) {
    const bytes = Buffer.from(name)
    t.equal(small.find(bytes, 0, bytes.length)?.name, expected)
  }
})

t.test('a subcommand is resolved from the second word', async (t) => {
  const resolve = (...args: string[]) => {
    const { bytes, offsets } = encodeCommand(args.map((arg) => Buffer.from(arg)))
    return registry.resolve(bytes, offsets, args.length)?.name
  }
  t.equal(resolve('Client', 'SETNAME', 'x'), 'client|setname')
  t.equal(resolve('client'), 'client')
  t.equal(resolve('client', 'nonsense'), undefined)
  t.equal(resolve('get', 'list'), 'get')
  t.equal(registry.byName('CLIENT|List')?.name, 'client|list')
})

t.test(
  'the derived positions of keys are those that the server checks and cluster clients use',
  async (t) => {
    const positions = (name: string) => {
      const { firstKey, lastKey, keyStep } = registry.byName(name) ?? {}
      return [firstKey, lastKey, keyStep]
    }
    t.same(positions('get'), [1, 1, 1])
    t.same(positions('mset'), [1, -1, 2])
    t.same(positions('rename'), [1, 2, 1])
    t.same(positions('object|encoding'), [2, 2, 1])
    t.same(positions('ping'), [0, 0, 0])
  },
)

t.test('a row without a handler and a handler without a row are found at start', async (t) => {
  const rows = COMMAND_ROWS.filter((row) => row.name === 'get')
  t.throws(() => new CommandRegistry({}, { rows }), /no handler for get/)
  t.throws(() => new CommandRegistry({ get: () => DONE, gte: () => DONE }, { rows }), /without a row: gte/)
  t.throws(
    () => new CommandRegistry({ get: () => DONE }, { rows: [...rows, ...rows] }),
    /two commands named get/,
  )
})

t.test('a container that was found by its first word goes on to the subcommand by itself', async (t) => {
  const client = new NodeClient()
  const handler = find('client')?.handler ?? (() => DONE)
  const run = async (...args: string[]) => {
    const reply = new ReplyWriter(64)
    await client.handle(
      handler,
      args.map((arg) => Buffer.from(arg)),
      reply,
    )
    return reply.buffer.toString('latin1', 0, reply.length)
  }
  t.equal(await run('client', 'ID'), ':1\r\n')
  t.equal(await run('client'), "-ERR wrong number of arguments for 'client' command\r\n")
  t.equal(await run('client', 'id', 'x'), "-ERR wrong number of arguments for 'client|id' command\r\n")
  t.equal(await run('client', 'nonsense'), "-ERR unknown subcommand 'nonsense'. Try CLIENT HELP.\r\n")
})

t.test('refusals of what is no request are the bytes that redis-server sends', async (t) => {
  const redis = await PrivateRedis.start()
  const connection = await redis.open()
  const client = new NodeClient()
  const long = 'c'.repeat(200)
  const requests: (string | Buffer)[][] = [
    ['foo'],
    ['FOO', 'a', 'b'],
    ['foo', 'a\r\nb', long, 'd'],
    ['foo', 'x'.repeat(120), 'y'.repeat(120), 'z'],
    ['foo', 'x'.repeat(125), 'y'],
    [long, 'x'],
    ['nul\0inside', 'a\0b', 'c'],
    [Buffer.from([0xff, 0xfe, 0x80]), Buffer.from([0xe9, 0x0a])],
    [''],
    ['', ''],
    ['get'],
    ['GET', 'a', 'b'],
    ['client'],
    ['Client', 'nonsense', 'x'],
    ['client', long],
    ['client', Buffer.from("se't\0\xff", 'latin1')],
    ['client', 'setname'],
    ['CONFIG', 'Set', 'x'],
    ['object', 'nonsense', 'x'],
  ]
  for (const request of requests) {
    const [expected] = await connection.run([request.map((arg) => Buffer.from(arg as string))])
    t.equal(await client.text(...request), expected.toString('latin1'), JSON.stringify(request.map(String)))
  }
  connection.close()
  await redis.stop()
})

/** Random streams of data commands through the handlers and through redis-server: the replies are compared byte for byte. */
import t from 'tap'
import { dataHandlers } from '../../../src/commands/data-handlers.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { BULK_BYTES_MAX, randomCommands } from '../../support/random-commands.js'
import { sameReply } from '../../support/reply-comparison.js'
import { HandlerRunner } from './handler-runner.js'

const COMMANDS = 12_000

/** What the random streams leave to other tests. */
const NOT_IN_STREAMS = ['memory', 'delex', 'delifeq']

t.test('redis-server 7.0 answers random commands as the handlers do', async (t) => {
  const redis = await PrivateRedis.start('--proto-max-bulk-len', '1mb')
  t.teardown(() => redis.stop())
  for (const { protocol, cold, seed } of [
    { protocol: 2, cold: false, seed: 1 },
    { protocol: 3, cold: false, seed: 2 },
    { protocol: 2, cold: true, seed: 3 },
    { protocol: 3, cold: true, seed: 4 },
  ]) {
    const how = cold ? ', every key cold at first' : ''
    await t.test(`in RESP${protocol}${how} (seed ${seed})`, async (t) => {
      const connection = await redis.open()
      t.teardown(() => connection.close())
      await connection.text('HELLO', String(protocol))
      await connection.text('FLUSHALL')
      const commands = [...randomCommands(seed, COMMANDS)]
      const runner = new HandlerRunner({ protocol, cold, protoMaxBulkLenBytes: BULK_BYTES_MAX })
      runner.keyspace.now = Date.now()
      const theirs = await connection.run(commands)
      let same = 0
      for (const [index, command] of commands.entries()) {
        const ours = await runner.run(command)
        if (sameReply(command, ours, theirs[index])) same++
        else {
          t.equal(shown(ours), shown(theirs[index]), `command ${index}: ${command.map(shown).join(' ')}`)
          break
        }
      }
      t.equal(same, commands.length, `${commands.length} replies are the same`)
      t.equal(runner.reruns > 0, cold, 'handlers were run again exactly when keys were cold')
    })
  }
})

t.test('the random streams contain every data command', (t) => {
  const names = new Set<string>()
  for (const command of randomCommands(1, COMMANDS)) {
    const [name, word = ''] = command.map((arg) => arg.toString('latin1').toLowerCase())
    names.add(name).add(`${name}|${word}`)
  }
  const missing = Object.keys(dataHandlers).filter(
    (name) => !names.has(name) && !NOT_IN_STREAMS.includes(name),
  )
  t.same(missing, [])
  t.end()
})

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1', 0, 300))
}

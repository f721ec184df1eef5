/** OBJECT and MEMORY. */
import t from 'tap'
import { memory } from '../../../src/commands/objects.js'
import { HandlerRunner } from './handler-runner.js'
import { bothWays } from './scripts.js'

const NO_LFU =
  '-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between ' +
  'policies at runtime LRU and LFU data will take some time to adjust.'

await bothWays(t, 'OBJECT ENCODING says what Redis would choose for the value', (play) =>
  play([
    ['object encoding a', '$-1'],
    ['set a 12', '+OK'],
    ['object encoding a', '$3 int'],
    ['set a -9223372036854775808', '+OK'],
    ['object encoding a', '$3 int'],
    ['set a 012', '+OK'],
    ['object encoding a', '$6 embstr'],
    ['set a ""', '+OK'],
    ['object encoding a', '$6 embstr'],
    [`set a ${'x'.repeat(44)}`, '+OK'],
    ['object encoding a', '$6 embstr'],
    [`set a ${'x'.repeat(45)}`, '+OK'],
    ['OBJECT Encoding a', '$3 raw'],
  ]),
)

await bothWays(t, 'OBJECT IDLETIME counts from the last write', async (play, runner) => {
  await play([
    ['object idletime a', '$-1'],
    ['set a 1', '+OK'],
    ['object idletime a', ':0'],
  ])
  runner.keyspace.now += 61_999
  await play([
    ['get a', '$1 1'],
    ['object idletime a', ':61'],
  ])
  runner.keyspace.now -= 100_000
  await play([['object idletime a', ':0']])
})

await bothWays(t, 'OBJECT REFCOUNT is 1, OBJECT FREQ needs a policy that there is not', (play) =>
  play([
    ['object refcount a', '$-1'],
    ['object freq a', '$-1'],
    ['set a x', '+OK'],
    ['object refcount a', ':1'],
    ['object freq a', NO_LFU],
    ['object foo a', "-ERR unknown subcommand 'foo'. Try OBJECT HELP."],
    ['object encoding', "-ERR wrong number of arguments for 'object|encoding' command"],
    ['object', "-ERR wrong number of arguments for 'object' command"],
  ]),
)

await bothWays(t, 'MEMORY USAGE answers the bytes of the entry', (play) =>
  play([
    ['memory usage a', '$-1'],
    ['set a x', '+OK'],
    ['memory usage a', ':74'],
    ['memory usage a SAMPLES 0', ':74'],
    ['memory usage a SAMPLES -1', '-ERR syntax error'],
    ['memory usage a SAMPLES x', '-ERR value is not an integer or out of range'],
    ['memory usage a SAMPLES', '-ERR syntax error'],
    ['memory usage a x 1', '-ERR syntax error'],
  ]),
)

t.test('the rest of MEMORY answers in the shape that clients expect', async (t) => {
  const runner = new HandlerRunner({ protocol: 3 })
  t.match(await runner.textOf(memory, 'MEMORY', 'STATS'), /^%6\r\n\$15\r\ntotal\.allocated\r\n:1\r\n/)
  t.match(await runner.textOf(memory, 'MEMORY', 'DOCTOR'), /^=\d+\r\ntxt:/)
  t.equal(await runner.textOf(memory, 'MEMORY', 'PURGE'), '+OK\r\n')
  t.match(await runner.textOf(memory, 'MEMORY', 'MALLOC-STATS'), /^\$\d+\r\nStats not supported/)
})

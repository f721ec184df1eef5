/** Keys as a whole: delete, count, rename, copy. */
import t from 'tap'
import { bothWays } from './scripts.js'

const SYNTAX = '-ERR syntax error'

await bothWays(t, 'DEL and UNLINK delete what is there and count it once', (play, runner, t) =>
  play([
    ['mset a 1 b 2 c 3 d 4', '+OK'],
    ['del a a x b', ':2'],
    ['unlink c', ':1'],
    ['unlink c', ':0'],
    ['del x y z', ':0'],
    ['exists a b c d', ':1'],
  ]).then(() => void t.equal(runner.keyspace.reservations, 2, 'MSET and the DEL of several keys are units')),
)

await bothWays(t, 'EXISTS and TOUCH count a key as often as it is named', (play) =>
  play([
    ['set a 1', '+OK'],
    ['exists a a b', ':2'],
    ['touch a b a a', ':3'],
    ['type a', '+string'],
    ['type b', '+none'],
  ]),
)

await bothWays(t, 'DELEX deletes by value, or like DEL', (play) =>
  play([
    ['delex a', ':0'],
    ['delex a IFEQ v', ':0'],
    ['mset a v b v', '+OK'],
    ['delex a ifeq w', ':0'],
    ['delex a ifeq vv', ':0'],
    ['delex a IFXX v', '-ERR Invalid condition. Use IFEQ'],
    ['delex a IFEQ', "-ERR wrong number of arguments for 'delex' command"],
    ['delex a IFEQ v x', "-ERR wrong number of arguments for 'delex' command"],
    ['delex a IFEQ v', ':1'],
    ['delex b', ':1'],
    ['exists a b', ':0'],
  ]),
)

await bothWays(t, 'DELIFEQ deletes by value', (play) =>
  play([
    ['delifeq a v', ':0'],
    ['set a v', '+OK'],
    ['delifeq a V', ':0'],
    ['delifeq a ""', ':0'],
    ['delifeq a v', ':1'],
    ['exists a', ':0'],
  ]),
)

await bothWays(t, 'RENAME moves value and time to live over whatever was there', (play, runner, t) =>
  play([
    ['rename a b', '-ERR no such key'],
    ['rename a a', '-ERR no such key'],
    ['set a 1 EX 100', '+OK'],
    ['set b 2 EX 500', '+OK'],
    ['rename a b', '+OK'],
    ['mget a b', '*2 $-1 $1 1'],
    ['ttl b', ':100'],
    ['rename b b', '+OK'],
    ['get b', '$1 1'],
    ['set a 3', '+OK'],
    ['rename a b', '+OK'],
    ['ttl b', ':-1'],
  ]).then(() => void t.equal(runner.keyspace.reservations, 2, 'both halves are one unit')),
)

await bothWays(t, 'RENAMENX leaves a target that is there', (play) =>
  play([
    ['renamenx a b', '-ERR no such key'],
    ['mset a 1 b 2', '+OK'],
    ['renamenx a b', ':0'],
    ['renamenx a a', ':0'],
    ['del b', ':1'],
    ['renamenx a b', ':1'],
    ['mget a b', '*2 $-1 $1 1'],
  ]),
)

await bothWays(t, 'COPY copies value and time to live, over a target only with REPLACE', (play) =>
  play([
    ['copy a b', ':0'],
    ['set a 1 EX 100', '+OK'],
    ['copy a b', ':1'],
    ['get b', '$1 1'],
    ['ttl b', ':100'],
    ['set a 2', '+OK'],
    ['copy a b', ':0'],
    ['copy a b replace DB 0', ':1'],
    ['get b', '$1 2'],
    ['ttl b', ':-1'],
    ['exists a', ':1'],
  ]),
)

await bothWays(t, 'COPY judges its options first', (play) =>
  play([
    ['copy a a', '-ERR source and destination objects are the same'],
    ['copy a a DB 1', '-ERR DB index is out of range'],
    ['copy a b DB -1', '-ERR DB index is out of range'],
    ['copy a b DB x', '-ERR value is not an integer or out of range'],
    ['copy a b DB 2147483648', '-ERR value is out of range, value must between -2147483648 and 2147483647'],
    ['copy a b DB', SYNTAX],
    ['copy a b x', SYNTAX],
  ]),
)

await bothWays(t, 'DBSIZE counts the keys that live', (play) =>
  play([
    ['dbsize', ':0'],
    ['mset a 1 b 2', '+OK'],
    ['dbsize', ':2'],
    ['expire a 0', ':1'],
    ['dbsize', ':1'],
  ]),
)

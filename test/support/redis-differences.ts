/**
 * Where the data commands answer otherwise than redis-server 7.0, and why. Everything that is not listed here is
 * compared byte for byte. `commands` are full names in lower case; `compared` says what is still checked of their
 * replies; entries without it lie outside what the random streams produce.
 */
export interface RedisDifference {
  readonly commands: readonly string[]
  readonly difference: string
  readonly compared?: ReplyClass
}

/**
 * - unordered: arrays of the same elements in any order (SCAN: and the same cursor)
 * - time: a number of seconds or milliseconds that may differ by the time between two runs
 * - some-key: both nil, or both a key
 * - some-integer: both nil or both the same error, or both an integer
 */
export type ReplyClass = 'unordered' | 'time' | 'some-key' | 'some-integer'

export const REDIS_DIFFERENCES: readonly RedisDifference[] = [
  {
    commands: ['keys'],
    difference:
      'Keys come in the order of their tokens. KEYS lets other connections run in between, so it is no snapshot, and it ' +
      'refuses to answer more than proto-max-bulk-len.',
    compared: 'unordered',
  },
  {
    commands: ['scan'],
    difference:
      'A cursor is a token below 2^53, and keys come in its order, each exactly once. COUNT is capped at 100000, and a ' +
      'call also ends at a reply of 8 MB or when its pattern has cost too much.',
    compared: 'unordered',
  },
  { commands: ['randomkey'], difference: 'Another random key.', compared: 'some-key' },
  {
    commands: ['ttl', 'pttl', 'expiretime', 'pexpiretime'],
    difference: 'None: the two servers run one after the other.',
    compared: 'time',
  },
  {
    commands: ['object|idletime'],
    difference: 'Counts from the last write, because reads leave no trace.',
    compared: 'some-integer',
  },
  {
    commands: ['object|refcount'],
    difference: 'Always 1; Redis shares the integers from 0 to 9999 and answers 2147483647 for them.',
    compared: 'some-integer',
  },
  {
    commands: ['memory|usage'],
    difference: 'The bytes of the whole entry, in memory and on disk alike.',
    compared: 'some-integer',
  },
  {
    commands: ['object|encoding'],
    difference:
      'What Redis would choose for the value if it were SET. Redis remembers how a value came about: after APPEND, ' +
      'SETRANGE or SETBIT it says raw, after INCRBYFLOAT embstr or raw, whatever the value looks like.',
  },
  {
    commands: ['set', 'setex', 'psetex', 'getex', 'expire', 'pexpire', 'expireat', 'pexpireat'],
    difference:
      'Times of death from 2^48 milliseconds on (in the year 10889) are refused as invalid: records do not hold them.',
  },
  {
    commands: ['set', 'mset', 'msetnx', 'append', 'setrange', 'setbit', 'incr', 'rename', 'copy'],
    difference:
      'Keys are at most 65536 bytes long; a command that would create a longer one gets an error that says so.',
  },
  {
    commands: ['mget'],
    difference: 'Refuses to answer more than twice proto-max-bulk-len (1 GB by default).',
  },
  {
    commands: ['dbsize'],
    difference:
      'Never counts keys that have expired, where Redis does until it comes across them; exact to within a second.',
  },
  {
    commands: ['object|help', 'memory|help'],
    difference: 'The lines come from the command table of this node.',
  },
]

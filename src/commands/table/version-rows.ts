/** Our own commands: versions of a key, how many replicas have to agree, how the cluster is. `since` is Kindred's version. */
import type { CommandRow } from './command-row.js'

export const VERSION_ROWS: readonly CommandRow[] = [
  {
    name: 'kv.siblings',
    syntax:
      'key [RESOLVE context ((VALUE value [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]) | DELETE)]',
    arity: -2,
    flags: 'write denyoom',
    effect: 'blind-write',
    categories: 'string',
    keys: [{ flags: 'RW access update', first: 1 }],
    group: 'cluster',
    since: '0.1.0',
    complexity: 'O(N) in the number of siblings',
    summary: 'Shows every value that concurrent writes have left of a key, or replaces exactly those seen.',
  },
  {
    name: 'kv.quorum',
    syntax: '[[READ level] [WRITE level] | level command-and-arguments...]',
    arity: -1,
    flags: 'write',
    effect: 'node',
    categories: 'connection',
    group: 'cluster',
    since: '0.1.0',
    complexity: 'O(1), and that of the command',
    summary: 'Shows or sets how many replicas must agree, for this connection or for one command.',
  },
  {
    name: 'kv.status',
    syntax: '',
    arity: 1,
    flags: 'stale',
    effect: 'node',
    categories: '',
    tips: 'nondeterministic_output',
    group: 'cluster',
    since: '0.1.0',
    complexity: 'O(N) in the number of members',
    summary: 'Shows the members of the cluster, their states and slots, and what was counted, as JSON.',
  },
  {
    name: 'kv.repair',
    syntax: '[first-slot last-slot]',
    arity: -1,
    flags: 'admin noscript',
    effect: 'node',
    categories: 'admin dangerous',
    group: 'cluster',
    since: '0.1.0',
    complexity: 'O(N) in the number of ranges; behind the reply, in what replicas have and others lack',
    summary:
      'Compares what this node holds of some or all slots with the other replicas and mends what differs.',
  },
]

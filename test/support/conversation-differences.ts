/**
 * Where a conversation with a node goes otherwise than with redis-server 7.0, and why: written down with both answers, so
 * that a test can hold both servers against it. What single data commands answer differently is in
 * redis-differences.ts; beyond both lists replies are the same bytes.
 */
import { pipeline } from './wire-client.js'

export interface ConversationDifference {
  readonly difference: string
  /** Sent at once; then the client closes its sending side. */
  readonly sent: Buffer
  /** Everything that comes back until the server closes. */
  readonly ours: string
  readonly theirs: string
}

const LONG_KEY_BYTES = 64 * 1024 + 1

export const CONVERSATION_DIFFERENCES: readonly ConversationDifference[] = [
  {
    difference:
      'Requests in front of an HTTP line are answered before the connection is closed; Redis drops the answers.',
    sent: Buffer.from('PING\r\nPOST / HTTP/1.1\r\n\r\n'),
    ours: '+PONG\r\n',
    theirs: '',
  },
  {
    difference:
      'A client that has closed its sending side still gets the answers that have to wait; Redis ends it.',
    sent: pipeline(['SET', 'a', '1'], ['WAIT', '1', '20'], ['DEL', 'a']),
    ours: '+OK\r\n:0\r\n:1\r\n',
    theirs: '+OK\r\n',
  },
  {
    difference: 'A request has at most 1048576 arguments, as before Redis 7; Redis 7 takes 2147483647.',
    sent: Buffer.from('*1048577\r\nPING\r\n'),
    ours: '-ERR Protocol error: invalid multibulk length\r\n',
    theirs: "-ERR Protocol error: expected '$', got 'P'\r\n",
  },
  {
    difference:
      'WATCH is refused: a transaction is an ordered batch, and other clients may write between its commands.',
    sent: pipeline(['WATCH', 'a'], ['UNWATCH']),
    ours: '-ERR WATCH is not supported: MULTI is an ordered batch, not an isolated transaction\r\n+OK\r\n',
    theirs: '+OK\r\n+OK\r\n',
  },
  {
    difference:
      'CLIENT REPLY SKIP inside a transaction skips the next reply of the transaction, not the one behind EXEC.',
    sent: pipeline(['MULTI'], ['CLIENT', 'REPLY', 'SKIP'], ['PING'], ['EXEC'], ['PING', 'x']),
    ours: '+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\nx\r\n',
    theirs: '+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+PONG\r\n',
  },
  {
    difference: "Types other than strings are not there yet: Redis's own error for an unknown command.",
    sent: pipeline(['RPUSH', 'list', 'a']),
    ours: "-ERR unknown command 'RPUSH', with args beginning with: 'list' 'a' \r\n",
    theirs: ':1\r\n',
  },
  {
    difference: 'Comparing commands and options of later versions are there.',
    sent: pipeline(
      ['SET', 'lock', 'me'],
      ['SET', 'lock', 'you', 'IFEQ', 'her'],
      ['DELEX', 'lock', 'IFEQ', 'me'],
    ),
    ours: '+OK\r\n$-1\r\n:1\r\n',
    theirs:
      "+OK\r\n-ERR syntax error\r\n-ERR unknown command 'DELEX', with args beginning with: 'lock' 'IFEQ' 'me' \r\n",
  },
  {
    difference: 'Keys are at most 65536 bytes long.',
    sent: pipeline(['SET', 'k'.repeat(LONG_KEY_BYTES), 'v'], ['GET', 'k'.repeat(LONG_KEY_BYTES)]),
    ours: '-ERR key is too long: at most 65536 bytes are allowed\r\n$-1\r\n',
    theirs: '+OK\r\n$1\r\nv\r\n',
  },
]

/** The same requests, one after the other, to a FakeNode and to a redis-server: where the replies differ. */
import type { RespConnection } from '../../support/resp-connection.js'
import type { NodeClient } from './node-client.js'

/** Words apart by spaces; "…" holds a word with spaces or with \n, \r, \0 and the like in it. */
export type RequestLine = string

/**
 * Lines "request: ours / redis's" for every reply that differs after `normalise` (for what cannot be the same: ids,
 * times). Empty when all are the same bytes.
 */
export async function differences(
  client: NodeClient,
  redis: RespConnection,
  lines: readonly RequestLine[],
  normalise: (reply: string) => string = (reply) => reply,
): Promise<string[]> {
  const found: string[] = []
  for (const line of lines) {
    const args = wordsOf(line)
    const ours = normalise(await client.text(...args))
    const theirs = normalise(await redis.text(...args))
    if (ours !== theirs) found.push(`${line}: ${JSON.stringify(ours)} / ${JSON.stringify(theirs)}`)
  }
  return found
}

function wordsOf(line: RequestLine): string[] {
  const words: string[] = []
  for (const [, quoted, bare] of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    words.push(bare ?? (JSON.parse(`"${quoted}"`) as string))
  }
  return words
}

/** Replaces the connection's number in the reply of HELLO. */
export function withoutId(reply: string): string {
  return reply.replace(/(\$2\r\nid\r\n):\d+/, '$1:0')
}

/**
 * Asks a running node one thing after the other over a plain connection: enough for `kindred status`, no more. The big
 * client libraries are for the tests; a server should not need one to look at itself.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ReplyParser } from '../resp/reply-parser.js'
import type { Reply } from '../resp/reply-parser.js'

export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Sends `commands` in one pipeline and resolves with their replies in order. Rejects when the connection fails, ends
 * early or takes longer than `timeoutMs`.
 */
export function ask(
  address: Address,
  commands: readonly (readonly string[])[],
  timeoutMs: number,
): Promise<Reply[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host, port: address.port, signal: AbortSignal.timeout(timeoutMs) })
    const replies: Reply[] = []
    const fail = (error: Error) => {
      socket.destroy()
      reject(error.name === 'AbortError' ? new Error(`no answer within ${timeoutMs / 1000} s`) : error)
    }
    const parser = new ReplyParser((reply) => {
      replies.push(reply)
      if (replies.length === commands.length) finish(socket, () => resolve(replies))
    }, fail)
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the connection was closed before the answer')))
    socket.on('data', (bytes) => parser.execute(bytes))
    socket.write(commands.map(encode).join(''))
  })
}

function finish(socket: Socket, done: () => void): void {
  socket.end()
  done()
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}

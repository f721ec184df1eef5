/** One connection to a FakeNode: requests go through the whole registry, replies come back as bytes or as values. */
import { createRegistry } from '../../../src/commands/all-handlers.js'
import { arityFits } from '../../../src/commands/command.js'
import type { Handler } from '../../../src/commands/request.js'
import { DEFERRED } from '../../../src/commands/request.js'
import { refuseArity } from '../../../src/commands/unknown-command.js'
import type { Keyspace } from '../../../src/coordinator/keyspace.js'
import { ReplyWriter } from '../../../src/resp/reply-writer.js'
import { encodeCommand } from '../../support/resp-frames.js'
import { FakeNode } from './fake-node.js'
import type { FakeSession } from './fake-node.js'
import { parseReply } from './reply-value.js'
import type { ReplyValue } from './reply-value.js'

export const registry = createRegistry()

/** What the commands under test ask of the keyspace: that it empties itself. */
export class FlushCounter {
  flushes = 0

  flushAll(): Promise<void> {
    this.flushes++
    return Promise.resolve()
  }
}

export class NodeClient {
  readonly node: FakeNode
  readonly session: FakeSession
  readonly keyspace = new FlushCounter()
  /** Takes the place of the counter for commands that ask more of a keyspace. */
  readonly #realKeyspace: Keyspace | null

  constructor(node = new FakeNode(), remoteAddress?: string, keyspace: Keyspace | null = null) {
    this.node = node
    this.#realKeyspace = keyspace
    this.session = node.connect(remoteAddress)
  }

  /** The reply's bytes as latin1 text; '' when there is none. */
  async text(...args: readonly (string | Buffer)[]): Promise<string> {
    const reply = await this.#run(args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg) : arg)))
    return reply.toString('latin1', 0, reply.length)
  }

  async value(...args: readonly string[]): Promise<ReplyValue> {
    return parseReply(await this.#run(args.map((arg) => Buffer.from(arg))))
  }

  /** What a handler renders for these arguments, whichever command they name. */
  async handle(handler: Handler, args: readonly Buffer[], reply: ReplyWriter): Promise<void> {
    const { bytes, offsets } = encodeCommand(args)
    const { session, node } = this
    let waiting = Promise.resolve()
    handler({
      bytes,
      offsets,
      argc: args.length,
      session,
      reply,
      keyspace: this.#realKeyspace ?? (this.keyspace as unknown as Keyspace),
      node,
      defer(task) {
        waiting = task(reply)
        return DEFERRED
      },
    })
    await waiting
  }

  async #run(args: readonly Buffer[]): Promise<Buffer> {
    const { bytes, offsets } = encodeCommand(args)
    const reply = new ReplyWriter(64)
    reply.protocol = this.session.protocol
    const argc = args.length
    const command = registry.resolve(bytes, offsets, argc)
    if (command === null) registry.refuseUnknown(reply, bytes, offsets, argc)
    else if (!arityFits(command, argc)) refuseArity(reply, command.name)
    else {
      this.session.lastCommand = command.name
      await this.handle(command.handler, args, reply)
    }
    return reply.buffer.subarray(0, reply.length)
  }
}

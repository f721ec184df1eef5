/** Runs commands through their handlers, without a server: arguments in, the reply's bytes out. */
import type { Clock } from '../../../src/env/clock.js'
import { CommandRegistry } from '../../../src/commands/registry.js'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import { arityFits } from '../../../src/commands/command.js'
import { dataHandlers } from '../../../src/commands/data-handlers.js'
import type { NodeServices } from '../../../src/commands/node-services.js'
import { COLD_BLOCKS, DEFERRED } from '../../../src/commands/request.js'
import type { Handler, Request } from '../../../src/commands/request.js'
import type { Session } from '../../../src/commands/session.js'
import { refuseArity } from '../../../src/commands/unknown-command.js'
import { uniformBelow } from '../../../src/env/uniform.js'
import { ReplyWriter } from '../../../src/resp/reply-writer.js'
import { assert } from '../../../src/util/assert.js'
import { Seeded } from '../../support/seeded.js'
import { encodeCommand } from '../../support/resp-frames.js'
import { MapKeyspace } from './map-keyspace.js'

/** No handler needs to be run again more often: once per key at most, scans once per stretch. */
const ATTEMPTS_MAX = 1000

const handled = new Set(Object.keys(dataHandlers).map((name) => name.split('|')[0]))
const registry = new CommandRegistry(dataHandlers, {
  rows: COMMAND_ROWS.filter((row) => handled.has(row.name)),
})

export interface RunnerOptions {
  readonly protocol?: number
  /** Whether the first attempt of every command meets COLD. */
  readonly cold?: boolean
  readonly seed?: number
  readonly protoMaxBulkLenBytes?: number
}

export class HandlerRunner {
  readonly keyspace = new MapKeyspace()
  readonly node: NodeServices
  /** How often handlers were run again. */
  reruns = 0
  readonly #reply = new ReplyWriter(64)

  constructor(options: RunnerOptions = {}) {
    this.keyspace.cold = options.cold ?? false
    this.#reply.protocol = options.protocol ?? 2
    this.node = testNode(options.seed ?? 1, options.protoMaxBulkLenBytes ?? 512 * 1024 * 1024)
  }

  /** The reply to a command, as latin1 text. */
  async text(...args: readonly (string | number | Buffer)[]): Promise<string> {
    return (await this.run(args.map(toBuffer))).toString('latin1')
  }

  /** The reply's bytes. */
  async run(args: readonly Buffer[]): Promise<Buffer> {
    const reply = this.#reply
    reply.length = 0
    const { bytes, offsets } = encodeCommand(args)
    const command = registry.resolve(bytes, offsets, args.length)
    if (command === null) registry.refuseUnknown(reply, bytes, offsets, args.length)
    else if (!arityFits(command, args.length)) refuseArity(reply, command.name)
    else await this.#attempt(bytes, offsets, args.length, command.handler)
    this.keyspace.endCommand()
    return Buffer.from(reply.buffer.subarray(0, reply.length))
  }

  /** The reply of a handler that the command table does not lead to, as latin1 text. */
  async textOf(handler: Handler, ...args: readonly string[]): Promise<string> {
    const { bytes, offsets } = encodeCommand(args.map(toBuffer))
    this.#reply.length = 0
    await this.#attempt(bytes, offsets, args.length, handler)
    return this.#reply.buffer.toString('latin1', 0, this.#reply.length)
  }

  async #attempt(bytes: Buffer, offsets: Int32Array, argc: number, handler: Handler): Promise<void> {
    const { keyspace, node } = this
    const reply = this.#reply
    let deferred: Promise<void> | null = null
    const request: Request = {
      bytes,
      offsets,
      argc,
      session: {} as Session,
      reply,
      keyspace,
      node,
      defer(task) {
        reply.length = 0
        deferred = Promise.resolve().then(() => task(reply))
        return DEFERRED
      },
    }
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      keyspace.beginAttempt()
      const outcome = handler(request)
      if (deferred !== null) return deferred
      if (outcome !== COLD_BLOCKS) return
      reply.length = 0
      this.reruns++
    }
    assert(false, 'the handler meets COLD for ever')
  }
}

function toBuffer(argument: string | number | Buffer): Buffer {
  return Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument))
}

const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  endOfTurn: (task) => void setImmediate(task),
}

/** Only what data commands ask of a node; anything else is undefined and would show. */
function testNode(seed: number, protoMaxBulkLenBytes: number): NodeServices {
  const seeded = new Seeded(seed)
  const random = {
    next53: () => seeded.below(2 ** 21) * 2 ** 32 + seeded.below(2 ** 32),
    below: (bound: number) => uniformBelow(random, bound),
  }
  const node: Partial<NodeServices> = {
    clock: realClock,
    random,
    clusterKeyspace: null,
    settings: { protoMaxBulkLenBytes } as NodeServices['settings'],
    stats: { keyspaceHits: 0, keyspaceMisses: 0 } as NodeServices['stats'],
    memory: () => ({ residentBytes: 1, heapUsedBytes: 1 }) as ReturnType<NodeServices['memory']>,
    engineFacts: () => ({ memtableBytes: 1, blockCacheBytes: 1 }) as ReturnType<NodeServices['engineFacts']>,
  }
  return node as NodeServices
}

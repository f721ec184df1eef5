/**
 * From a request's first words to the command that serves it. Built once from the table and the handlers; a row without
 * a handler, or a handler without a row, is a bug that shows at start.
 *
 * A container ('client') is a command too: it runs when it is called without a subcommand, which its arity usually
 * forbids. Handlers are found by full name ('client|list'); a family may also supply one handler under the container's
 * name and look at the second word itself. `x|help` needs no handler: its text comes from the table.
 *
 * What the server does with a request: `resolve`; when null, `refuseUnknown`; when `arityFits` says no, `refuseArity`;
 * else the handler.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { assert } from '../util/assert.js'
import { CommandIndex } from './command-index.js'
import { COMMAND_ROWS } from './command-table.js'
import { Command, arityFits } from './command.js'
import { refuseArity, refuseUnknownCommand, refuseUnknownSubcommand } from './unknown-command.js'
import { helpHandler } from './help.js'
import type { CommandStats } from './node-services.js'
import type { Handler, Outcome } from './request.js'
import type { CommandRow } from './table/command-row.js'

export type Handlers = Readonly<Record<string, Handler>>

export interface RegistryOptions {
  /** The table; the whole one by default. */
  readonly rows?: readonly CommandRow[]
  /** Where a command's counters live, by its full name; by default every registry has its own. */
  readonly statsOf?: (name: string) => CommandStats
}

export class CommandRegistry {
  readonly #index: CommandIndex
  readonly #byName = new Map<string, Command>()

  constructor(handlers: Handlers, options: RegistryOptions = {}) {
    const builder = new CommandBuilder(handlers, options.statsOf)
    this.#index = new CommandIndex((options.rows ?? COMMAND_ROWS).map((row) => builder.command(row)))
    builder.assertAllUsed()
    for (const command of this.everyCommand()) this.#byName.set(command.name, command)
  }

  /** The command named bytes[start, end) in any case, null when there is none. Makes no garbage. */
  find(bytes: Uint8Array, start: number, end: number): Command | null {
    return this.#index.find(bytes, start, end)
  }

  /**
   * The command that a request of `argc` >= 1 arguments asks for, subcommands included; null when there is none.
   * Argument i is bytes[offsets[2i], offsets[2i+1]). Makes no garbage.
   */
  resolve(bytes: Uint8Array, offsets: Int32Array, argc: number): Command | null {
    const command = this.#index.find(bytes, offsets[0], offsets[1])
    if (command === null || command.subcommands === null || argc === 1) return command
    return command.subcommands.find(bytes, offsets[2], offsets[3])
  }

  /** Answers a request that resolve() found nothing for, as Redis does. */
  refuseUnknown(reply: ReplyWriter, bytes: Buffer, offsets: Int32Array, argc: number): Outcome {
    const container = this.#index.find(bytes, offsets[0], offsets[1])
    if (container === null) return refuseUnknownCommand(reply, bytes, offsets, argc)
    return refuseUnknownSubcommand(reply, bytes, offsets)
  }

  /** By full name in any case: 'get', 'client|list'. For texts that come from commands, not for requests. */
  byName(name: string): Command | null {
    return this.#byName.get(name.toLowerCase()) ?? null
  }

  /** Top-level commands, in the table's order. */
  get commands(): readonly Command[] {
    return this.#index.commands
  }

  /** Top-level commands, each followed by its subcommands. */
  *everyCommand(): Iterable<Command> {
    for (const command of this.#index.commands) {
      yield command
      if (command.subcommands !== null) yield* command.subcommands.commands
    }
  }
}

class CommandBuilder {
  readonly #handlers: Handlers
  readonly #unused: Set<string>
  readonly #statsOf: ((name: string) => CommandStats) | undefined

  constructor(handlers: Handlers, statsOf: ((name: string) => CommandStats) | undefined) {
    this.#handlers = handlers
    this.#unused = new Set(Object.keys(handlers))
    this.#statsOf = statsOf
  }

  command(row: CommandRow): Command {
    const own = this.#take(row.name)
    if (row.subcommands === undefined) return this.#build(row, row.name, own, null)
    const subcommands = row.subcommands.map((sub) => {
      const name = `${row.name}|${sub.name}`
      const help = sub.name === 'help' ? helpHandler(row) : null
      return this.#build(sub, name, this.#take(name) ?? help ?? own, null)
    })
    const index = new CommandIndex(subcommands)
    return this.#build(row, row.name, own ?? subcommandHandler(row, index), index)
  }

  assertAllUsed(): void {
    assert(this.#unused.size === 0, `handlers without a row: ${[...this.#unused].join(' ')}`)
  }

  #build(row: CommandRow, name: string, handler: Handler | null, subcommands: CommandIndex | null): Command {
    assert(handler !== null, `no handler for ${name}`)
    return new Command(row, name, handler, subcommands, this.#statsOf?.(name))
  }

  #take(name: string): Handler | null {
    this.#unused.delete(name)
    return Object.hasOwn(this.#handlers, name) ? this.#handlers[name] : null
  }
}

/** For callers that ran `find` instead of `resolve`: goes on to the subcommand by itself. */
function subcommandHandler(row: CommandRow, subcommands: CommandIndex): Handler {
  return (request) => {
    const { bytes, offsets, argc, reply } = request
    if (argc === 1) return refuseArity(reply, row.name)
    const command = subcommands.find(bytes, offsets[2], offsets[3])
    if (command === null) return refuseUnknownSubcommand(reply, bytes, offsets)
    if (!arityFits(command, argc)) return refuseArity(reply, command.name)
    return command.handler(request)
  }
}

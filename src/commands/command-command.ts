/**
 * COMMAND: the table, told to clients. redis-cli asks for DOCS, cluster clients for the whole table (flags and key
 * positions decide where they send a request), proxies for GETKEYS.
 */
import { textOf } from './args.js'
import { writeCommandDocs } from './command-docs.js'
import { writeCommandInfo, writeStatusSet } from './command-info.js'
import { keysOf } from './command-keys.js'
import type { KeyUse } from './command-keys.js'
import { arityFits } from './command.js'
import type { Command } from './command.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { matchingNames } from './name-pattern.js'
import type { CommandRegistry } from './registry.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'

/** `registry` is asked when a request comes, as the registry itself is built from these handlers. */
export function commandHandlers(registry: () => CommandRegistry): Readonly<Record<string, Handler>> {
  return {
    command: (request) => writeInfos(request, registry().commands),
    'command|count': ({ reply }) => {
      reply.integer(registry().commands.length)
      return DONE
    },
    'command|docs': (request) => docs(request, registry()),
    'command|getkeys': (request) => getKeys(request, registry(), writeKeys),
    'command|getkeysandflags': (request) => getKeys(request, registry(), writeKeysAndFlags),
    'command|info': (request) => info(request, registry()),
    'command|list': (request) => list(request, registry()),
  }
}

function info(request: Request, registry: CommandRegistry): Outcome {
  if (request.argc === 2) return writeInfos(request, registry.commands)
  return writeInfos(request, named(request, registry))
}

function writeInfos({ reply }: Request, commands: readonly (Command | null)[]): Outcome {
  reply.array(commands.length)
  for (const command of commands) {
    if (command === null) reply.nil()
    else writeCommandInfo(reply, command)
  }
  return DONE
}

function docs(request: Request, registry: CommandRegistry): Outcome {
  const wanted = request.argc === 2 ? registry.commands : named(request, registry)
  const commands = wanted.filter((command) => command !== null)
  request.reply.map(commands.length)
  for (const command of commands) {
    request.reply.bulkText(command.name)
    writeCommandDocs(request.reply, command)
  }
  return DONE
}

function named(request: Request, registry: CommandRegistry): readonly (Command | null)[] {
  const commands: (Command | null)[] = []
  for (let i = 2; i < request.argc; i++) commands.push(registry.byName(textOf(request, i)))
  return commands
}

function list(request: Request, registry: CommandRegistry): Outcome {
  const commands = [...registry.everyCommand()]
  const names = request.argc === 2 ? commands.map((command) => command.name) : listFiltered(request, commands)
  if (names === null) return refuse(request, SYNTAX_ERROR)
  request.reply.array(names.length)
  for (const name of names) request.reply.bulkText(name)
  return DONE
}

/** Null for a syntax error. There are no modules, so that none of the commands comes from one. */
function listFiltered(request: Request, commands: readonly Command[]): readonly string[] | null {
  if (request.argc !== 5 || textOf(request, 2).toLowerCase() !== 'filterby') return null
  const kind = textOf(request, 3).toLowerCase()
  const value = textOf(request, 4)
  if (kind === 'module') return []
  if (kind === 'pattern') {
    const names = commands.map((command) => command.name)
    return matchingNames(value, names)
  }
  if (kind !== 'aclcat') return null
  const category = value.toLowerCase()
  return commands.filter((command) => command.categories.includes(category)).map((command) => command.name)
}

/** The request that follows COMMAND GETKEYS starts at argument 2. */
function getKeys(
  request: Request,
  registry: CommandRegistry,
  write: (request: Request, keys: readonly KeyUse[]) => void,
): Outcome {
  const { reply, bytes, offsets } = request
  const argc = request.argc - 2
  const command = registry.resolve(bytes, offsets.subarray(4), argc)
  if (command === null) return refuse(request, 'ERR Invalid command specified')
  if (command.firstKey === 0) return refuse(request, 'ERR The command has no key arguments')
  if (!arityFits(command, argc))
    return refuse(request, 'ERR Invalid number of arguments specified for command')
  const keys = keysOf(command, argc, (index) => textOf(request, index + 2))
  if (keys === null) return refuse(request, 'ERR Invalid arguments specified for command')
  reply.array(keys.length)
  write(request, keys)
  return DONE
}

function writeKeys(request: Request, keys: readonly KeyUse[]): void {
  for (const { index } of keys) writeArgument(request, index + 2)
}

function writeKeysAndFlags(request: Request, keys: readonly KeyUse[]): void {
  for (const { index, flags } of keys) {
    request.reply.array(2)
    writeArgument(request, index + 2)
    writeStatusSet(request.reply, flags)
  }
}

function writeArgument({ reply, bytes, offsets }: Request, index: number): void {
  reply.bulk(bytes, offsets[2 * index], offsets[2 * index + 1])
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

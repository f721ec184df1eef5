/**
 * KV.QUORUM: how many replicas must agree, for the connection or for one request.
 *
 *     KV.QUORUM                             shows the connection's levels
 *     KV.QUORUM READ level WRITE level      sets them, either or both; DEFAULT goes back to the settings
 *     KV.QUORUM level command [args...]     runs one command at a level, for what it reads and what it writes
 *
 * On a single node every level is met by the one copy there is, so the third form just runs the command. Where there are
 * several, whoever routes requests takes it apart with innerOf() before any handler runs.
 */
import { LEVEL_DEFAULT, LEVEL_NAMES, QUORUM, levelName, parseLevel } from '../coordinator/consistency.js'
import type { Level } from '../coordinator/consistency.js'
import { isWord, textOf } from './args.js'
import type { Command } from './command.js'
import { arityFits } from './command.js'
import { SYNTAX_ERROR } from './error-texts.js'
import type { CommandRegistry } from './registry.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import type { SessionLevel } from './session.js'
import { quote, refuseArity, refuseQuoting } from './unknown-command.js'

const NAME = 'kv.quorum'
/** Arguments in front of the command that the third form runs. */
export const QUORUM_PREFIX_ARGUMENTS = 2

const UNKNOWN_LEVEL = `ERR unknown consistency level, use one of ${LEVEL_NAMES.join(', ')}`

/** The level and the command of KV.QUORUM's third form. */
export interface QuorumInner {
  readonly level: Level
  readonly command: Command
  /** The command's own arguments: argument i is bytes[offsets[2i], offsets[2i+1]). */
  readonly offsets: Int32Array
  readonly argc: number
}

/**
 * What a KV.QUORUM of the third form runs; null when the request is of another form or wrong, in which case running it as it
 * is answers it. A new object for each: such requests are rare.
 */
export function innerOf(registry: CommandRegistry, request: Request): QuorumInner | null {
  if (request.argc <= QUORUM_PREFIX_ARGUMENTS) return null
  const level = parseLevel(textOf(request, 1))
  if (level === undefined) return null
  const offsets = request.offsets.subarray(2 * QUORUM_PREFIX_ARGUMENTS)
  const argc = request.argc - QUORUM_PREFIX_ARGUMENTS
  const command = registry.resolve(request.bytes, offsets, argc)
  if (command === null || !arityFits(command, argc) || command.effect === 'node') return null
  return { level, command, offsets, argc }
}

function quorumHandler(registryOf: () => CommandRegistry): Handler {
  return (request) => {
    if (request.argc === 1) return show(request)
    if (isWord(request, 1, 'READ') || isWord(request, 1, 'WRITE')) return setLevels(request)
    const inner = innerOf(registryOf(), request)
    return inner === null ? refuseInner(registryOf(), request) : run(request, inner)
  }
}

function show({ reply, session, node }: Request): Outcome {
  const { cluster } = node
  reply.map(2)
  reply.bulkText('read')
  reply.bulkText(nameOf(session.readLevel, cluster?.readLevel ?? QUORUM))
  reply.bulkText('write')
  reply.bulkText(nameOf(session.writeLevel, cluster?.writeLevel ?? QUORUM))
  return DONE
}

function nameOf(level: SessionLevel, byDefault: Level): string {
  return levelName(level === LEVEL_DEFAULT ? byDefault : level)
}

/** All of them or, when one is wrong, none. */
function setLevels(request: Request): Outcome {
  const { session, argc, reply } = request
  let { readLevel, writeLevel } = session
  for (let index = 1; index < argc; index += 2) {
    const isRead = isWord(request, index, 'READ')
    if (index + 1 === argc || !(isRead || isWord(request, index, 'WRITE')))
      return refuse(request, SYNTAX_ERROR)
    const level = isWord(request, index + 1, 'DEFAULT')
      ? LEVEL_DEFAULT
      : parseLevel(textOf(request, index + 1))
    if (level === undefined) return refuse(request, UNKNOWN_LEVEL)
    if (isRead) readLevel = level
    else writeLevel = level
  }
  session.readLevel = readLevel
  session.writeLevel = writeLevel
  reply.ok()
  return DONE
}

function run(request: Request, { command, offsets, argc }: QuorumInner): Outcome {
  const { bytes, session, reply, keyspace, node } = request
  const defer: Request['defer'] = (task) => request.defer(task)
  return command.handler({ bytes, offsets, argc, session, reply, keyspace, node, defer })
}

/** Says what is wrong with a request that innerOf() did not take. */
function refuseInner(registry: CommandRegistry, request: Request): Outcome {
  const { bytes, reply, argc } = request
  if (parseLevel(textOf(request, 1)) === undefined) return refuse(request, UNKNOWN_LEVEL)
  if (argc === QUORUM_PREFIX_ARGUMENTS) return refuseArity(reply, NAME)
  const offsets = request.offsets.subarray(2 * QUORUM_PREFIX_ARGUMENTS)
  const innerArgc = argc - QUORUM_PREFIX_ARGUMENTS
  const command = registry.resolve(bytes, offsets, innerArgc)
  if (command === null) return registry.refuseUnknown(reply, bytes, offsets, innerArgc)
  if (!arityFits(command, innerArgc)) return refuseArity(reply, command.name)
  return refuseQuoting(
    reply,
    `'${quote(bytes, offsets, 0)}' has no replicas to agree: KV.QUORUM runs commands on keys`,
  )
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

/** `registryOf` is called when a request comes. */
export function quorumHandlers(registryOf: () => CommandRegistry): Readonly<Record<string, Handler>> {
  return { [NAME]: quorumHandler(registryOf) }
}

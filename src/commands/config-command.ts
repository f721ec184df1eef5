/**
 * CONFIG: settings under their Redis names. SET takes several pairs and applies all or none: what is unknown or named
 * twice is refused before anything changes, and when the node refuses a value the ones already taken are set back.
 */
import { textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { hasWildcard, matchingNames } from './name-pattern.js'
import type { RuntimeSettings } from './node-services.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import { quote, refuseQuoting } from './unknown-command.js'

const get: Handler = (request) => {
  const { argc, reply, node } = request
  const { settings } = node
  const found = new Map<string, string>()
  for (let i = 2; i < argc; i++) {
    const pattern = textOf(request, i)
    for (const name of namesFor(settings, pattern)) {
      const value = settings.get(name)
      if (value !== undefined && !found.has(name)) found.set(name, value)
    }
  }
  reply.map(found.size)
  for (const [name, value] of found) {
    reply.bulkText(name)
    reply.bulkText(value)
  }
  return DONE
}

/** A name without wildcards is looked up and answered as it was written. */
function namesFor(settings: RuntimeSettings, pattern: string): readonly string[] {
  if (!hasWildcard(pattern)) return [pattern]
  return matchingNames(pattern, settings.names())
}

const set: Handler = (request) => {
  const { argc, reply, node } = request
  if (argc % 2 !== 0) {
    reply.error(SYNTAX_ERROR)
    return DONE
  }
  const seen = new Set<string>()
  for (let i = 2; i < argc; i += 2) {
    const name = textOf(request, i).toLowerCase()
    if (node.settings.get(name) === undefined) return refuseUnknownName(request, i)
    if (seen.has(name)) return refuseValue(request, i, 'duplicate parameter')
    seen.add(name)
  }
  return applyAll(request)
}

function applyAll(request: Request): Outcome {
  const { argc, reply, node } = request
  const before: { name: string; value: string }[] = []
  const takeBack = (): void => {
    for (const taken of before.reverse()) node.settings.set(taken.name, taken.value)
  }
  for (let i = 2; i < argc; i += 2) {
    const name = textOf(request, i).toLowerCase()
    const value = node.settings.get(name) ?? ''
    const reason = node.settings.set(name, textOf(request, i + 1))
    if (reason !== null) {
      takeBack()
      return refuseValue(request, i, reason)
    }
    before.push({ name, value })
  }
  const contradiction = node.settings.contradiction()
  if (contradiction !== null) {
    takeBack()
    return refuseValue(request, argc - 2, contradiction)
  }
  reply.ok()
  return DONE
}

function refuseUnknownName({ reply, bytes, offsets }: Request, i: number): Outcome {
  const name = quote(bytes, offsets, i)
  return refuseQuoting(reply, `Unknown option or number of arguments for CONFIG SET - '${name}'`)
}

function refuseValue({ reply, bytes, offsets }: Request, i: number, reason: string): Outcome {
  const name = quote(bytes, offsets, i)
  return refuseQuoting(reply, `CONFIG SET failed (possibly related to argument '${name}') - ${reason}`)
}

const resetStatistics: Handler = ({ reply, node }) => {
  node.stats.reset()
  reply.ok()
  return DONE
}

const rewrite: Handler = ({ reply, node }) => {
  if (node.configFile === '') reply.error('ERR The server is running without a config file')
  else reply.error('ERR Rewriting config file: the file is only ever read here, change it by hand')
  return DONE
}

export const configHandlers: Readonly<Record<string, Handler>> = {
  'config|get': get,
  'config|resetstat': resetStatistics,
  'config|rewrite': rewrite,
  'config|set': set,
}

/**
 * CLIENT: looking at connections and steering the own one. Key tracking and pausing do not exist; what belongs to them
 * answers as Redis does when nobody has switched them on, and switching them on is refused in words.
 */
import { integerOf, textOf } from './args.js'
import { getName, setInfo, setName, switchHandler } from './client-attributes.js'
import { clientType, kill } from './client-kill.js'
import { clientLine } from './client-line.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import type { Session } from './session.js'
import { refuseSubcommandSyntax } from './unknown-command.js'

export const NO_TRACKING = 'ERR client tracking is not supported'
export const NO_PAUSE = 'ERR pausing clients is not supported'
const NOT_TRACKING =
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled'

const id: Handler = ({ reply, session }) => {
  reply.integer(session.id)
  return DONE
}

const info: Handler = (request) => writeLines(request, [request.session])

const list: Handler = (request) => {
  const { argc } = request
  if (argc === 2) return writeLines(request, request.node.clients())
  const filter = textOf(request, 2).toLowerCase()
  if (argc === 4 && filter === 'type') return listByType(request)
  if (argc > 3 && filter === 'id') return listById(request)
  return refuse(request, SYNTAX_ERROR)
}

function listByType(request: Request): Outcome {
  const type = clientType(request, 3)
  if (type === null) return DONE
  return writeLines(request, type === 'normal' ? request.node.clients() : [])
}

/** In the order in which the ids were asked for; unknown ones are left out. */
function listById(request: Request): Outcome {
  const sessions = new Map<number, Session>()
  for (const session of request.node.clients()) sessions.set(session.id, session)
  const wanted: Session[] = []
  for (let i = 3; i < request.argc; i++) {
    const asked = integerOf(request, i)
    if (Number.isNaN(asked)) return refuse(request, 'ERR Invalid client ID')
    const session = sessions.get(asked)
    if (session !== undefined) wanted.push(session)
  }
  return writeLines(request, wanted)
}

function writeLines({ reply, node }: Request, sessions: Iterable<Session>): Outcome {
  const nowMs = node.clock.monotonicMs()
  let text = ''
  for (const session of sessions) text += `${clientLine(session, nowMs)}\n`
  reply.verbatim('txt', text)
  return DONE
}

/** OFF and SKIP answer nothing themselves. */
const replyMode: Handler = (request) => {
  const mode = textOf(request, 2).toLowerCase()
  const { session } = request
  if (mode === 'on') {
    session.replyMode = 'on'
    request.reply.ok()
  } else if (mode === 'off') {
    session.replyMode = 'off'
  } else if (mode === 'skip') {
    if (session.replyMode !== 'off') session.replyMode = 'skip-next'
  } else {
    request.reply.error(SYNTAX_ERROR)
  }
  return DONE
}

const getRedirection: Handler = ({ reply }) => {
  reply.integer(-1)
  return DONE
}

const tracking: Handler = (request) => {
  const mode = textOf(request, 2).toLowerCase()
  if (mode === 'on') request.reply.error(NO_TRACKING)
  else if (mode === 'off') request.reply.ok()
  else request.reply.error(SYNTAX_ERROR)
  return DONE
}

const trackingInfo: Handler = ({ reply }) => {
  reply.map(3)
  reply.bulkText('flags')
  reply.set(1)
  reply.bulkText('off')
  reply.bulkText('redirect')
  reply.integer(-1)
  reply.bulkText('prefixes')
  reply.array(0)
  return DONE
}

const caching: Handler = (request) => refuse(request, NOT_TRACKING)

const pause: Handler = (request) => {
  if (request.argc > 4) return refuseSubcommandSyntax(request)
  const timeoutMs = integerOf(request, 2)
  const mode = request.argc > 3 ? textOf(request, 3).toLowerCase() : 'all'
  if (mode !== 'all' && mode !== 'write') {
    return refuse(request, 'ERR CLIENT PAUSE mode must be WRITE or ALL')
  }
  if (Number.isNaN(timeoutMs)) return refuse(request, 'ERR timeout is not an integer or out of range')
  if (timeoutMs < 0) return refuse(request, 'ERR timeout is negative')
  return refuse(request, NO_PAUSE)
}

const unpause: Handler = ({ reply }) => {
  reply.ok()
  return DONE
}

/** Valkey's; a MOVED needs no announcement, and `redirect` is for replicas that refuse everything. */
const capa: Handler = ({ reply }) => {
  reply.ok()
  return DONE
}

const unblock: Handler = (request) => {
  if (request.argc > 4) return refuseSubcommandSyntax(request)
  const reason = request.argc > 3 ? textOf(request, 3).toLowerCase() : 'timeout'
  if (reason !== 'timeout' && reason !== 'error') {
    return refuse(request, 'ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
  }
  if (Number.isNaN(integerOf(request, 2))) return refuse(request, NOT_AN_INTEGER)
  request.reply.integer(0)
  return DONE
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

export const clientHandlers: Readonly<Record<string, Handler>> = {
  'client|caching': caching,
  'client|capa': capa,
  'client|getname': getName,
  'client|getredir': getRedirection,
  'client|id': id,
  'client|info': info,
  'client|kill': kill,
  'client|list': list,
  'client|no-evict': switchHandler((request, on) => (request.session.noEvict = on)),
  'client|no-touch': switchHandler((request, on) => (request.session.noTouch = on)),
  'client|pause': pause,
  'client|reply': replyMode,
  'client|setinfo': setInfo,
  'client|setname': setName,
  'client|tracking': tracking,
  'client|trackinginfo': trackingInfo,
  'client|unblock': unblock,
  'client|unpause': unpause,
}

/**
 * Commands about the connection itself. HELLO is what most clients open with, and some of them give up when a field of
 * its answer is missing or its order of checks differs; both are Redis 7.0's.
 */
import { LEVEL_DEFAULT } from '../coordinator/consistency.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { integerOf, isWord } from './args.js'
import { answerLogin, auth, logIn, refuseLogin } from './authentication.js'
import { takeName } from './client-attributes.js'
import { NOT_AN_INTEGER } from './error-texts.js'
import { modeOf } from './cluster-mode.js'
import { REDIS_VERSION } from './redis-version.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'
import { quote, refuseArity, refuseQuoting } from './unknown-command.js'

export const HELLO_WITHOUT_AUTH =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time'
const INT_MAX = 0x7fffffff
const INT_MIN = -INT_MAX - 1
const NOT_AN_INT = `ERR value is out of range, value must between ${INT_MIN} and ${INT_MAX}`

const ping: Handler = (request) => {
  if (request.argc > 2) return refuseArity(request.reply, 'ping')
  if (request.argc === 2) writeArgument(request, 1)
  else request.reply.simple('PONG')
  return DONE
}

const echo: Handler = (request) => {
  writeArgument(request, 1)
  return DONE
}

const quit: Handler = ({ reply, session }) => {
  reply.ok()
  session.closing = true
  return DONE
}

const select: Handler = (request) => {
  const index = integerOf(request, 1)
  if (Number.isNaN(index)) request.reply.error(NOT_AN_INTEGER)
  else if (index < INT_MIN || index > INT_MAX) request.reply.error(NOT_AN_INT)
  else if (index !== 0) request.reply.error('ERR DB index is out of range')
  else request.reply.ok()
  return DONE
}

/** Everything that a connection can have changed about itself goes back to how it was on accept. */
const reset: Handler = ({ reply, session, node }) => {
  session.transaction = null
  session.protocol = 2
  session.name = ''
  session.replyMode = 'on'
  session.noEvict = false
  session.noTouch = false
  session.readsFromReplicas = false
  session.readLevel = LEVEL_DEFAULT
  session.writeLevel = LEVEL_DEFAULT
  session.authenticated = node.settings.requirePass === ''
  reply.protocol = 2
  reply.simple('RESET')
  return DONE
}

/** Options take effect one by one, as in Redis 7.0: a name given before a wrong option stays. */
const hello: Handler = (request) => {
  const { argc, reply, session } = request
  const protocol = argc > 1 ? protocolOf(request) : session.protocol
  if (protocol === 0) return DONE
  let logsIn = false
  for (let i = 2; i < argc; i++) {
    if (isWord(request, i, 'AUTH') && i + 2 < argc) {
      if (!logIn(request, i + 1, i + 2)) return refuseLogin(request)
      logsIn = true
      i += 2
    } else {
      if (!takeOption(request, i)) return DONE
      i++
    }
  }
  if (!session.authenticated && request.node.settings.requirePass !== '') {
    reply.error(HELLO_WITHOUT_AUTH)
    return DONE
  }
  session.protocol = protocol
  reply.protocol = protocol
  const { id } = session
  const mode = modeOf(request.node, session.listener)
  if (logsIn) return answerLogin(request, (own) => writeHello(own, protocol, id, mode))
  writeHello(reply, protocol, id, mode)
  return DONE
}

/** 2 or 3; 0 when the error is rendered. */
function protocolOf(request: Request): number {
  const protocol = integerOf(request, 1)
  if (protocol === 2 || protocol === 3) return protocol
  if (Number.isNaN(protocol)) request.reply.error('ERR Protocol version is not an integer or out of range')
  else request.reply.error('NOPROTO unsupported protocol version')
  return 0
}

/** Carries out SETNAME in argument i, with the argument behind it; false when an error is rendered instead. */
function takeOption(request: Request, i: number): boolean {
  if (isWord(request, i, 'SETNAME') && i + 1 < request.argc) return takeName(request, i + 1)
  const option = quote(request.bytes, request.offsets, i)
  refuseQuoting(request.reply, `Syntax error in HELLO option '${option}'`)
  return false
}

function writeHello(reply: ReplyWriter, protocol: number, connectionId: number, mode: string): void {
  reply.map(7)
  reply.bulkText('server')
  reply.bulkText('redis')
  reply.bulkText('version')
  reply.bulkText(REDIS_VERSION)
  reply.bulkText('proto')
  reply.integer(protocol)
  reply.bulkText('id')
  reply.integer(connectionId)
  reply.bulkText('mode')
  reply.bulkText(mode)
  reply.bulkText('role')
  reply.bulkText('master')
  reply.bulkText('modules')
  reply.array(0)
}

function writeArgument({ reply, bytes, offsets }: Request, index: number): void {
  reply.bulk(bytes, offsets[2 * index], offsets[2 * index + 1])
}

export const connectionHandlers: Readonly<Record<string, Handler>> = {
  auth,
  echo,
  hello,
  ping,
  quit,
  reset,
  select,
}

/**
 * Commands about the connection itself. HELLO is what most clients open with, and some of them give up when a field of
 * its answer is missing or its order of checks differs; both are Redis 7.0's.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { integerOf, isWord, textOf } from './args.js'
import { WRONG_PASSWORD, auth, logIn } from './authentication.js'
import { BAD_CLIENT_NAME, isPlainText } from './client-attributes.js'
import { NOT_AN_INTEGER } from './error-texts.js'
import { REDIS_VERSION } from './redis-version.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'
import { quote, refuseArity, refuseQuoting } from './unknown-command.js'

export const HELLO_WITHOUT_AUTH =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time'
const INT_MAX = 0x7fffffff

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
  if (!(Math.abs(index) <= INT_MAX)) request.reply.error(NOT_AN_INTEGER)
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
  session.authenticated = node.settings.requirePass === ''
  reply.protocol = 2
  reply.simple('RESET')
  return DONE
}

const hello: Handler = (request) => {
  const { argc, reply, session } = request
  const options = argc > 1 ? helloOptions(request) : { protocol: 0, userIndex: 0, nameIndex: 0 }
  if (options === null) return DONE
  const { protocol, userIndex, nameIndex } = options
  if (userIndex > 0 && !logIn(request, userIndex, userIndex + 1)) {
    reply.error(WRONG_PASSWORD)
    return DONE
  }
  if (!session.authenticated && request.node.settings.requirePass !== '') {
    reply.error(HELLO_WITHOUT_AUTH)
    return DONE
  }
  if (nameIndex > 0) session.name = textOf(request, nameIndex)
  if (protocol > 0) session.protocol = protocol
  reply.protocol = session.protocol
  writeHello(reply, session.protocol, session.id)
  return DONE
}

interface HelloOptions {
  readonly protocol: number
  /** Argument number of the user's name, which the password follows; 0 without AUTH. */
  readonly userIndex: number
  /** Argument number of the connection's name; 0 without SETNAME. */
  readonly nameIndex: number
}

/** Null when the error is rendered. */
function helloOptions(request: Request): HelloOptions | null {
  const { argc, reply } = request
  const protocol = integerOf(request, 1)
  if (Number.isNaN(protocol)) return refused(reply, 'Protocol version is not an integer or out of range')
  if (protocol !== 2 && protocol !== 3) {
    reply.error('NOPROTO unsupported protocol version')
    return null
  }
  let userIndex = 0
  let nameIndex = 0
  for (let i = 2; i < argc; i++) {
    if (isWord(request, i, 'AUTH') && i + 2 < argc) {
      userIndex = i + 1
      i += 2
    } else if (isWord(request, i, 'SETNAME') && i + 1 < argc) {
      nameIndex = ++i
      if (isPlainText(request, nameIndex)) continue
      reply.error(BAD_CLIENT_NAME)
      return null
    } else {
      return refused(reply, `Syntax error in HELLO option '${quote(request.bytes, request.offsets, i)}'`)
    }
  }
  return { protocol, userIndex, nameIndex }
}

function refused(reply: ReplyWriter, text: string): null {
  refuseQuoting(reply, text)
  return null
}

function writeHello(reply: ReplyWriter, protocol: number, connectionId: number): void {
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
  reply.bulkText('standalone')
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

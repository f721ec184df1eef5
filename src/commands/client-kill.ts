/**
 * CLIENT KILL, in its old form (an address: close that connection, the own one included) and its new one (filters that
 * must all hold; answers how many were closed; spares the own connection unless SKIPME no).
 */
import { DEFAULT_USER } from './authentication.js'
import { localAddress, remoteAddress } from './client-line.js'
import { integerOf, textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'
import type { Session } from './session.js'
import { quote, refuseQuoting } from './unknown-command.js'

const CLIENT_TYPES = ['normal', 'master', 'replica', 'slave', 'pubsub']

interface Filter {
  id: number
  type: string
  address: string
  localAddress: string
  spareOwn: boolean
}

export const kill: Handler = (request) => {
  const filter = request.argc === 3 ? byAddress(request) : parseFilter(request)
  if (filter === null) return DONE
  const killed = killMatching(request, filter)
  if (request.argc > 3) request.reply.integer(killed)
  else if (killed > 0) request.reply.ok()
  else request.reply.error('ERR No such client')
  return DONE
}

/**
 * The kind of client that argument `index` names ('normal', …) in lower case; null when there is no such kind, and then
 * the error is rendered. All connections are of kind normal.
 */
export function clientType(request: Request, index: number): string | null {
  const type = textOf(request, index).toLowerCase()
  if (CLIENT_TYPES.includes(type)) return type
  refuseQuoting(request.reply, `Unknown client type '${quote(request.bytes, request.offsets, index)}'`)
  return null
}

function killMatching(request: Request, filter: Filter): number {
  let killed = 0
  for (const session of [...request.node.clients()].filter((candidate) => matches(candidate, filter))) {
    if (session === request.session) {
      if (filter.spareOwn) continue
      session.closing = true
    } else {
      session.kill()
    }
    killed++
  }
  return killed
}

function matches(session: Session, filter: Filter): boolean {
  return (
    (filter.id === 0 || session.id === filter.id) &&
    (filter.type === '' || filter.type === 'normal') &&
    (filter.address === '' || remoteAddress(session) === filter.address) &&
    (filter.localAddress === '' || localAddress(session) === filter.localAddress)
  )
}

function byAddress(request: Request): Filter {
  return { id: 0, type: '', address: textOf(request, 2) || '?', localAddress: '', spareOwn: false }
}

/** Null when the error is rendered. */
function parseFilter(request: Request): Filter | null {
  const filter: Filter = { id: 0, type: '', address: '', localAddress: '', spareOwn: true }
  for (let i = 2; i < request.argc; i += 2) {
    const name = textOf(request, i).toLowerCase()
    if (i + 1 === request.argc || !FILTERS.has(name)) return syntaxError(request)
    if (!FILTERS.get(name)?.(filter, request, i + 1)) return null
  }
  return filter
}

/** Each takes the value in argument `index` into the filter; false when the error is rendered. */
const FILTERS: ReadonlyMap<string, (filter: Filter, request: Request, index: number) => boolean> = new Map([
  [
    'id',
    (filter, request, index) => {
      filter.id = integerOf(request, index)
      if (filter.id > 0) return true
      request.reply.error('ERR client-id should be greater than 0')
      return false
    },
  ],
  [
    'type',
    (filter, request, index) => {
      const type = clientType(request, index)
      filter.type = type ?? ''
      return type !== null
    },
  ],
  [
    'addr',
    (filter, request, index) => {
      filter.address = textOf(request, index) || '?'
      return true
    },
  ],
  [
    'laddr',
    (filter, request, index) => {
      filter.localAddress = textOf(request, index) || '?'
      return true
    },
  ],
  [
    'user',
    (_filter, request, index) => {
      if (textOf(request, index) === DEFAULT_USER) return true
      refuseQuoting(request.reply, `No such user '${quote(request.bytes, request.offsets, index)}'`)
      return false
    },
  ],
  [
    'skipme',
    (filter, request, index) => {
      const value = textOf(request, index).toLowerCase()
      filter.spareOwn = value === 'yes'
      return value === 'yes' || value === 'no' || syntaxError(request) !== null
    },
  ],
])

function syntaxError(request: Request): null {
  request.reply.error(SYNTAX_ERROR)
  return null
}

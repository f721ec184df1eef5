/**
 * What a connection says about itself: its name and its library's. The texts go unquoted into the lines of CLIENT LIST,
 * so they may hold printable ASCII without spaces only.
 */
import { SYNTAX_ERROR } from './error-texts.js'
import { textOf } from './args.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'
import { quote, refuseQuoting } from './unknown-command.js'

/** Whether argument `index` may stand in a line of CLIENT LIST. */
function isPlainText(request: Request, index: number): boolean {
  const end = request.offsets[2 * index + 1]
  for (let at = request.offsets[2 * index]; at < end; at++) {
    if (request.bytes[at] < 0x21 || request.bytes[at] > 0x7e) return false
  }
  return true
}

/** Names the connection by argument `index`; false when the name cannot be one, and then the error is rendered. */
export function takeName(request: Request, index: number): boolean {
  if (isPlainText(request, index)) {
    request.session.name = textOf(request, index)
    return true
  }
  request.reply.error('ERR Client names cannot contain spaces, newlines or special characters.')
  return false
}

export const setName: Handler = (request) => {
  if (takeName(request, 2)) request.reply.ok()
  return DONE
}

export const getName: Handler = ({ reply, session }) => {
  if (session.name === '') reply.nil()
  else reply.bulkText(session.name)
  return DONE
}

export const setInfo: Handler = (request) => {
  const attribute = textOf(request, 2).toLowerCase()
  const shown = quote(request.bytes, request.offsets, 2)
  if (attribute !== 'lib-name' && attribute !== 'lib-ver') {
    return refuseQuoting(request.reply, `Unrecognized option '${shown}'`)
  }
  if (!isPlainText(request, 3)) {
    return refuseQuoting(request.reply, `${shown} cannot contain spaces, newlines or special characters.`)
  }
  if (attribute === 'lib-name') request.session.libraryName = textOf(request, 3)
  else request.session.libraryVersion = textOf(request, 3)
  request.reply.ok()
  return DONE
}

/** CLIENT NO-EVICT and CLIENT NO-TOUCH: ON or OFF. */
export function switchHandler(set: (request: Request, on: boolean) => void): Handler {
  return (request) => {
    const value = textOf(request, 2).toLowerCase()
    if (value !== 'on' && value !== 'off') {
      request.reply.error(SYNTAX_ERROR)
    } else {
      set(request, value === 'on')
      request.reply.ok()
    }
    return DONE
  }
}

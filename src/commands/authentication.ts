/**
 * Who a connection is. There is one user, `default`, and one password, the setting requirepass; without one everybody
 * is logged in from the start. AUTH and HELLO share the rules, which are Redis's: with a user name and no password set,
 * any password will do for `default`; without a user name AUTH then is a mistake worth telling.
 */
import { isSecret } from '../env/secret.js'
import { textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'

export const DEFAULT_USER = 'default'
export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'
export const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'

export const auth: Handler = (request) => {
  const { argc, reply, node } = request
  if (argc > 3) reply.error(SYNTAX_ERROR)
  else if (argc === 2 && node.settings.requirePass === '') reply.error(NO_PASSWORD_SET)
  else if (logIn(request, argc === 3 ? 1 : 0, argc - 1)) reply.ok()
  else reply.error(WRONG_PASSWORD)
  return DONE
}

/**
 * Logs the connection in when user and password are right. `userIndex` is the argument with the user's name, 0 for none.
 * A failure leaves the connection as it was.
 */
export function logIn(request: Request, userIndex: number, passwordIndex: number): boolean {
  if (userIndex > 0 && textOf(request, userIndex) !== DEFAULT_USER) return false
  const { bytes, offsets, session } = request
  const secret = request.node.settings.requirePass
  const start = offsets[2 * passwordIndex]
  const right = secret === '' || isSecret(bytes, start, offsets[2 * passwordIndex + 1], secret)
  if (right) session.authenticated = true
  return right
}

/**
 * Who a connection is. There is one user, `default`, and one password, the setting requirepass; without one everybody
 * is logged in from the start. AUTH and HELLO share the rules, which are Redis's: with a user name and no password set,
 * any password will do for `default`; without a user name AUTH then is a mistake worth telling.
 */
import { isSecret } from '../env/secret.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'

export const DEFAULT_USER = 'default'
export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'
export const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'

export const auth: Handler = (request) => {
  const { argc, reply, node } = request
  if (argc > 3) reply.error(SYNTAX_ERROR)
  else if (argc === 2 && node.settings.requirePass === '') reply.error(NO_PASSWORD_SET)
  else if (logIn(request, argc === 3 ? 1 : 0, argc - 1)) return answerLogin(request, (own) => own.ok())
  else return refuseLogin(request)
  return DONE
}

/** The reply to a login with a wrong password. */
export function refuseLogin(request: Request): Outcome {
  return answerLogin(request, (reply) => reply.error(WRONG_PASSWORD))
}

/** Renders the reply to a login, right or wrong, when the brake lets it go. */
export function answerLogin(request: Request, render: (reply: ReplyWriter) => void): Outcome {
  const { clock, logins } = request.node
  const delayMs = logins.delayMs(request.session.remoteAddress, clock.monotonicMs())
  if (delayMs > 0) {
    return request.defer(async (reply) => {
      await new Promise<void>((resolve) => clock.after(delayMs, resolve))
      render(reply)
    })
  }
  render(request.reply)
  return DONE
}

/**
 * Logs the connection in when user and password are right. `userIndex` is the argument with the user's name, 0 for none.
 * A failure leaves the connection as it was.
 */
export function logIn(request: Request, userIndex: number, passwordIndex: number): boolean {
  const { session, node } = request
  const right =
    (userIndex === 0 || textOf(request, userIndex) === DEFAULT_USER) && isRight(request, passwordIndex)
  if (right) session.authenticated = true
  else node.logins.failed(session.remoteAddress, node.clock.monotonicMs())
  return right
}

function isRight({ bytes, offsets, node }: Request, passwordIndex: number): boolean {
  const secret = node.settings.requirePass
  return secret === '' || isSecret(bytes, offsets[2 * passwordIndex], offsets[2 * passwordIndex + 1], secret)
}

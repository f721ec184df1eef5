/**
 * Commands that wait: WAIT for replicas, DEBUG SLEEP for a time. Both park their own connection and nobody else's. (In
 * Redis DEBUG SLEEP stops the whole server; tests use it to have one slow command, which it still is.)
 */
import type { Clock } from '../env/clock.js'
import { integerOf, textOf } from './args.js'
import { NOT_AN_INTEGER } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import { refuseSubcommandSyntax } from './unknown-command.js'

const DEBUG_REFUSED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.'

/**
 * There are no replicas yet, so none ever confirms: 0 is answered when none was asked for, and otherwise when the
 * timeout ends. Timeout 0 waits for ever, as in Redis: until the client goes away.
 */
const wait: Handler = (request) => {
  const replicas = integerOf(request, 1)
  const timeoutMs = integerOf(request, 2)
  if (Number.isNaN(replicas)) return refuse(request, NOT_AN_INTEGER)
  if (Number.isNaN(timeoutMs)) return refuse(request, 'ERR timeout is not an integer or out of range')
  if (timeoutMs < 0) return refuse(request, 'ERR timeout is negative')
  if (replicas <= 0) {
    request.reply.integer(0)
    return DONE
  }
  const { clock } = request.node
  return request.defer(async (reply) => {
    await (timeoutMs === 0 ? forever() : elapsed(clock, timeoutMs))
    reply.integer(0)
  })
}

const debug: Handler = (request) => {
  if (!mayDebug(request)) return refuse(request, DEBUG_REFUSED)
  if (request.argc !== 3 || textOf(request, 1).toLowerCase() !== 'sleep')
    return refuseSubcommandSyntax(request)
  const seconds = Number.parseFloat(textOf(request, 2))
  const { clock } = request.node
  return request.defer(async (reply) => {
    if (seconds > 0) await elapsed(clock, seconds * 1000)
    reply.ok()
  })
}

/** The setting enable-debug-command: yes, no, or local for connections from this machine. */
function mayDebug({ node, session }: Request): boolean {
  if (node.settings.enableDebugCommand) return true
  if (node.settings.get('enable-debug-command') !== 'local') return false
  return /^(127\.|::1$|::ffff:127\.)/.test(session.remoteAddress)
}

function elapsed(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve))
}

function forever(): Promise<void> {
  return new Promise(() => {})
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

export const waitingHandlers: Readonly<Record<string, Handler>> = { debug, wait }

/**
 * MULTI, EXEC, DISCARD: an ordered batch on its connection, as session and cache libraries use it. The server queues
 * requests while `session.transaction` is set. EXEC renders the array's header and hands the queued requests back to the
 * server, which runs them one after the other like any others of the connection: so one of them may wait for a block
 * without any of this having to know. While everything is in memory the whole batch runs in one synchronous step.
 *
 * WATCH is refused, because the batch is not isolated: between two of its commands that wait, other clients may write.
 */
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'

const multi: Handler = (request) => {
  const { session, reply } = request
  if (session.transaction !== null) reply.error('ERR MULTI calls can not be nested')
  else {
    session.transaction = { failed: false, queued: [], queuedBytes: 0 }
    reply.ok()
  }
  return DONE
}

const exec: Handler = (request) => {
  const { session, reply } = request
  const transaction = session.transaction
  if (transaction === null) return refuse(request, 'ERR EXEC without MULTI')
  session.transaction = null
  if (transaction.failed) {
    return refuse(request, 'EXECABORT Transaction discarded because of previous errors.')
  }
  reply.array(transaction.queued.length)
  if (transaction.queued.length > 0) session.expansion = transaction.queued
  return DONE
}

const discard: Handler = (request) => {
  const { session, reply } = request
  if (session.transaction === null) return refuse(request, 'ERR DISCARD without MULTI')
  session.transaction = null
  reply.ok()
  return DONE
}

const watch: Handler = (request) => {
  if (request.session.transaction !== null) return refuse(request, 'ERR WATCH inside MULTI is not allowed')
  return refuse(request, 'ERR WATCH is not supported: MULTI is an ordered batch, not an isolated transaction')
}

const unwatch: Handler = (request) => {
  request.reply.ok()
  return DONE
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

export const transactionHandlers: Readonly<Record<string, Handler>> = { multi, exec, discard, watch, unwatch }

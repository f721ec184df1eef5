/** Commands about the node as a whole: its time, its role, emptying it and stopping it. */
import { textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { info } from './info.js'
import { DONE } from './request.js'
import type { Handler } from './request.js'

const time: Handler = ({ reply, node }) => {
  const nowMs = node.clock.wallMs()
  reply.array(2)
  reply.bulkText(String(Math.floor(nowMs / 1000)))
  reply.bulkText(String((nowMs % 1000) * 1000))
  return DONE
}

const role: Handler = ({ reply }) => {
  reply.array(3)
  reply.bulkText('master')
  reply.integer(0)
  reply.array(0)
  return DONE
}

/** SYNC and ASYNC are the same: a mark makes every older record invisible at once, compaction takes the space back. */
const flush: Handler = (request) => {
  const mode = request.argc === 2 ? textOf(request, 1).toLowerCase() : 'sync'
  if (request.argc > 2 || (mode !== 'sync' && mode !== 'async')) {
    request.reply.error(SYNTAX_ERROR)
    return DONE
  }
  const { keyspace, node } = request
  return request.defer(async (reply) => {
    await (node.clusterKeyspace ?? keyspace).flushAll()
    reply.ok()
  })
}

/**
 * A stop is always orderly and saves nothing beyond what is in the log already, so SAVE, NOSAVE, NOW and FORCE only have
 * to make sense. There is no answer: the connection closes. A stop cannot be called back, so ABORT finds none.
 */
const shutdown: Handler = (request) => {
  const options = new Set<string>()
  for (let i = 1; i < request.argc; i++) options.add(textOf(request, i).toLowerCase())
  if (!isSensible(options)) {
    request.reply.error(SYNTAX_ERROR)
  } else if (options.has('abort')) {
    request.reply.error('ERR No shutdown in progress.')
  } else {
    request.session.closing = true
    request.node.shutdown()
  }
  return DONE
}

function isSensible(options: ReadonlySet<string>): boolean {
  if ([...options].some((option) => !['save', 'nosave', 'now', 'force', 'abort'].includes(option)))
    return false
  if (options.has('abort')) return options.size === 1
  return !(options.has('save') && options.has('nosave'))
}

export const serverHandlers: Readonly<Record<string, Handler>> = {
  flushall: flush,
  flushdb: flush,
  info,
  role,
  shutdown,
  time,
}

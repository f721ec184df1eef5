/** SLOWLOG: the requests that took longest, as Redis lists them. */
import { integerOf } from './args.js'
import { DONE } from './request.js'
import type { Handler } from './request.js'
import { refuseSubcommandSyntax } from './unknown-command.js'

const COUNT_DEFAULT = 10
const ENTRY_FIELDS = 6

const get: Handler = (request) => {
  const { argc, reply, node } = request
  if (argc > 3) return refuseSubcommandSyntax(request)
  const count = argc === 2 ? COUNT_DEFAULT : integerOf(request, 2)
  if (!(count >= -1)) {
    reply.error('ERR count should be greater than or equal to -1')
    return DONE
  }
  const entries = node.slowlog.entries(count === -1 ? node.slowlog.length : count)
  reply.array(entries.length)
  for (const entry of entries) {
    reply.array(ENTRY_FIELDS)
    reply.integer(entry.id)
    reply.integer(entry.atUnixSeconds)
    reply.integer(entry.microseconds)
    reply.array(entry.args.length)
    for (const argument of entry.args) reply.bulk(argument, 0, argument.length)
    reply.bulkText(entry.clientAddress)
    reply.bulkText(entry.clientName)
  }
  return DONE
}

const length: Handler = ({ reply, node }) => {
  reply.integer(node.slowlog.length)
  return DONE
}

const reset: Handler = ({ reply, node }) => {
  node.slowlog.reset()
  reply.ok()
  return DONE
}

export const slowlogHandlers: Readonly<Record<string, Handler>> = {
  'slowlog|get': get,
  'slowlog|len': length,
  'slowlog|reset': reset,
}

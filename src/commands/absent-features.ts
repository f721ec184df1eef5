/**
 * Commands of features that Kindred does not have, which clients send nevertheless and expect a Redis's answer to:
 * functions (test suites flush them between tests) and, on this listener, Redis Cluster (clients probe for it).
 */
import { textOf } from './args.js'
import { CLUSTER_ROWS } from './table/cluster-rows.js'
import { DONE } from './request.js'
import type { Handler } from './request.js'
import { quote, refuseQuoting, refuseSubcommandSyntax } from './unknown-command.js'

const functionFlush: Handler = (request) => {
  if (request.argc > 3) return refuseSubcommandSyntax(request)
  const mode = request.argc === 3 ? textOf(request, 2).toLowerCase() : 'sync'
  if (mode === 'sync' || mode === 'async') request.reply.ok()
  else request.reply.error('ERR FUNCTION FLUSH only supports SYNC|ASYNC option')
  return DONE
}

const functionList: Handler = (request) => {
  let named = false
  let withCode = false
  for (let i = 2; i < request.argc; i++) {
    const option = textOf(request, i).toLowerCase()
    if (option === 'withcode' && !withCode) {
      withCode = true
    } else if (option === 'libraryname' && !named) {
      named = true
      if (++i < request.argc) continue
      request.reply.error('ERR library name argument was not given')
      return DONE
    } else {
      return refuseQuoting(request.reply, `Unknown argument ${quote(request.bytes, request.offsets, i)}`)
    }
  }
  request.reply.array(0)
  return DONE
}

const noCluster: Handler = ({ reply }) => {
  reply.error('ERR This instance has cluster support disabled')
  return DONE
}

/** In Redis even CLUSTER HELP is refused without cluster support. */
function clusterHandlers(): Readonly<Record<string, Handler>> {
  const handlers: Record<string, Handler> = {}
  for (const row of CLUSTER_ROWS) {
    if (row.subcommands === undefined) handlers[row.name] = noCluster
    for (const subcommand of row.subcommands ?? []) handlers[`${row.name}|${subcommand.name}`] = noCluster
  }
  return handlers
}

export const absentFeatureHandlers: Readonly<Record<string, Handler>> = {
  ...clusterHandlers(),
  'function|flush': functionFlush,
  'function|list': functionList,
}

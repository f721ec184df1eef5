/**
 * Commands of features that Kindred does not have, which clients send nevertheless and expect a Redis's answer to:
 * functions, which test suites flush between tests.
 */
import { textOf } from './args.js'
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

export const absentFeatureHandlers: Readonly<Record<string, Handler>> = {
  'function|flush': functionFlush,
  'function|list': functionList,
}

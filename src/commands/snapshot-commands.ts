/**
 * Snapshots: BGSAVE, SAVE and LASTSAVE as Redis has them, and KV.SNAPSHOT for what Redis has no command for.
 *
 *     KV.SNAPSHOT TAKE [name]     answers the path when the snapshot is whole
 *     KV.SNAPSHOT PREPARE name    the first half of a snapshot of a whole cluster: see snapshot-service.ts
 *     KV.SNAPSHOT LIST            the names, oldest first
 *
 * SAVE blocks its own connection and nobody else: a snapshot is made behind the others' requests.
 */
import { textOf } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'

const BUSY = 'ERR Background save already in progress'
/** As snapshot-folder.ts takes them. */
const NAME = /^(?!.*\.tmp$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const BAD_NAME = 'ERR a snapshot is called by 1 to 64 letters, digits, dots, dashes and underscores'

/** SCHEDULE waits for other background work in Redis; there is none here that a snapshot would have to wait for. */
const backgroundSave: Handler = (request) => {
  const { argc, node, reply } = request
  if (argc > 2 || (argc === 2 && textOf(request, 1).toLowerCase() !== 'schedule')) {
    reply.error(SYNTAX_ERROR)
    return DONE
  }
  const saving = node.snapshots.take()
  if (saving === null) {
    reply.error(BUSY)
    return DONE
  }
  // Whoever cares looks at INFO; the node has said in its log why.
  saving.catch(() => {})
  reply.simple('Background saving started')
  return DONE
}

const save: Handler = (request) => {
  const saving = request.node.snapshots.take()
  if (saving === null) return refuseBusy(request)
  return request.defer(async (reply) => {
    const error = await errorOf(saving)
    if (error === null) reply.ok()
    else reply.error(error)
  })
}

const lastSave: Handler = ({ reply, node }) => {
  reply.integer(node.snapshots.facts().lastUnixSeconds)
  return DONE
}

const take: Handler = (request) => {
  if (request.argc > 3) return refuseSyntax(request)
  const name = request.argc === 3 ? textOf(request, 2) : undefined
  if (name !== undefined && !NAME.test(name)) return refuseName(request)
  const saving = request.node.snapshots.take(name)
  if (saving === null) return refuseBusy(request)
  return request.defer(async (reply) => {
    const error = await errorOf(saving)
    if (error === null) reply.bulkText(await saving)
    else reply.error(error)
  })
}

const prepare: Handler = (request) => {
  const name = textOf(request, 2)
  if (!NAME.test(name)) return refuseName(request)
  const preparing = request.node.snapshots.prepare(name)
  if (preparing === null) return refuseBusy(request)
  return request.defer(async (reply) => {
    const error = await errorOf(preparing)
    if (error === null) reply.ok()
    else reply.error(error)
  })
}

const list: Handler = ({ reply, node }) => {
  const names = node.snapshots.list()
  reply.array(names.length)
  for (const name of names) reply.bulkText(name)
  return DONE
}

/** The error's text as a reply; null when there is none. */
async function errorOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work
    return null
  } catch (error) {
    return `ERR snapshot failed: ${error instanceof Error ? error.message : String(error)}`
  }
}

function refuseBusy({ reply }: Request): Outcome {
  reply.error(BUSY)
  return DONE
}

function refuseName({ reply }: Request): Outcome {
  reply.error(BAD_NAME)
  return DONE
}

function refuseSyntax({ reply }: Request): Outcome {
  reply.error(SYNTAX_ERROR)
  return DONE
}

export const snapshotHandlers: Readonly<Record<string, Handler>> = {
  bgsave: backgroundSave,
  'kv.snapshot|list': list,
  'kv.snapshot|prepare': prepare,
  'kv.snapshot|take': take,
  lastsave: lastSave,
  save,
}

/**
 * KV.SIBLINGS: what concurrent writes have left of a key, and a write that replaces exactly what its writer has seen. The
 * answer is a context and the siblings, highest (HLC, actor) first, so the first is what GET answers from; the context is
 * brought back with RESOLVE, and everything that was written meanwhile stays beside the new value (RULES V3).
 *
 * A key that does not exist has a context too, the empty one: of two clients that create it with that, neither replaces the
 * other's value.
 */
import { COLD, LIVE } from '../coordinator/keyspace.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import type { CapExceeded } from '../record/caps.js'
import { RECORD_BYTES_MAX, SIBLINGS_MAX } from '../record/caps.js'
import { aheadOfClock, formatContext, parseContext } from '../record/context.js'
import { hlcToWallMs } from '../record/hlc.js'
import { KIND_DELETION, KIND_VALUE } from '../record/layout.js'
import type { Sibling } from '../record/record.js'
import type { VersionVector } from '../record/version-vector.js'
import { findKey, isWord, storableKey } from './args.js'
import { SYNTAX_ERROR } from './error-texts.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import { KEEP_EXPIRY, expireAtOfOptions, readTimeToLive, stringOptions } from './string-options.js'

const NAME = 'kv.siblings'
const KEY = 1
const CONTEXT = 3
const VALUE = 5

export const MALFORMED_CONTEXT = 'ERR the context is none that KV.SIBLINGS has given'
export const FOREIGN_CONTEXT = 'ERR the context was given for another key'
export const CONTEXT_AHEAD = 'ERR the context is more than max-clock-drift ahead of this node'
const CAP_TEXTS: Readonly<Record<CapExceeded, string>> = {
  'too-many-siblings': `ERR the key has ${SIBLINGS_MAX} siblings: resolve them with their context first`,
  'too-many-bytes': `ERR the key and its siblings would exceed ${RECORD_BYTES_MAX} bytes: resolve them first`,
}

/** KV.SIBLINGS key [RESOLVE context (VALUE value [time to live] | DELETE)] */
const siblings: Handler = (request) => {
  if (request.argc === 2) return show(request)
  if (request.argc < VALUE || !isWord(request, 2, 'RESOLVE')) return refuse(request, SYNTAX_ERROR)
  if (isWord(request, 4, 'DELETE') && request.argc === VALUE) return resolve(request, true)
  if (!isWord(request, 4, 'VALUE') || request.argc === VALUE) return refuse(request, SYNTAX_ERROR)
  return readTimeToLive(request, VALUE + 1) ? resolve(request, false) : DONE
}

function show(request: Request): Outcome {
  if (findKey(request, KEY) === COLD) return COLD_BLOCKS
  const { reply, keyspace } = request
  const record = keyspace.foundRecord()
  reply.map(2)
  reply.bulkText('context')
  reply.bulkText(formatContext(keyOf(request), record?.context ?? []))
  reply.bulkText('siblings')
  reply.array(record?.siblings.length ?? 0)
  for (const sibling of record?.siblings ?? []) writeSibling(reply, sibling, keyspace.nowMs())
  return DONE
}

/** `value` is nil for what is not alive; `ttl` is as PTTL answers it: -1 without a limit, -2 for what is not alive. */
function writeSibling(reply: ReplyWriter, sibling: Sibling, nowMs: number): void {
  const { kind, expireAtMs, value, actor, hlc } = sibling
  const isExpired = kind === KIND_VALUE && expireAtMs !== 0 && expireAtMs <= nowMs
  const isAlive = kind === KIND_VALUE && !isExpired
  reply.map(5)
  reply.bulkText('kind')
  reply.bulkText(isAlive ? 'value' : isExpired ? 'expired' : 'deletion')
  reply.bulkText('value')
  if (isAlive) reply.bulk(Buffer.from(value.buffer, value.byteOffset, value.length), 0, value.length)
  else reply.nil()
  reply.bulkText('actor')
  reply.integer(actor)
  reply.bulkText('time')
  reply.integer(hlcToWallMs(hlc))
  reply.bulkText('ttl')
  reply.integer(!isAlive ? -2 : expireAtMs === 0 ? -1 : expireAtMs - nowMs)
}

function resolve(request: Request, deletes: boolean): Outcome {
  const context = contextOf(request)
  if (typeof context === 'string') return refuse(request, context)
  if (!storableKey(request, KEY)) return DONE
  const asked = deletes ? 0 : expireAtOfOptions(request, NAME)
  if (asked !== asked) return DONE
  const lookup = findKey(request, KEY)
  if (lookup === COLD) return COLD_BLOCKS
  const { bytes, offsets, keyspace, reply } = request
  const keeps = !deletes && stringOptions.expiry === KEEP_EXPIRY && lookup === LIVE
  const exceeded = keyspace.resolve(
    bytes,
    offsets[2 * KEY],
    offsets[2 * KEY + 1],
    context,
    deletes ? KIND_DELETION : KIND_VALUE,
    bytes,
    deletes ? 0 : offsets[2 * VALUE],
    deletes ? 0 : offsets[2 * VALUE + 1],
    keeps ? keyspace.found.expireAtMs : asked,
  )
  if (exceeded !== null) return refuse(request, CAP_TEXTS[exceeded])
  reply.ok()
  return DONE
}

/** The context that the client brings, or the error. */
function contextOf(request: Request): VersionVector | string {
  const { bytes, offsets, keyspace, node } = request
  const token = bytes.toString('latin1', offsets[2 * CONTEXT], offsets[2 * CONTEXT + 1])
  const parsed = parseContext(keyOf(request), token)
  if (parsed.kind === 'malformed') return MALFORMED_CONTEXT
  if (parsed.kind === 'foreign') return FOREIGN_CONTEXT
  const isAhead = aheadOfClock(parsed.context, keyspace.nowMs(), node.settings.maxClockDriftMs)
  return isAhead ? CONTEXT_AHEAD : parsed.context
}

function keyOf({ bytes, offsets }: Request): Buffer {
  return bytes.subarray(offsets[2 * KEY], offsets[2 * KEY + 1])
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

export const siblingsHandlers: Readonly<Record<string, Handler>> = { [NAME]: siblings }

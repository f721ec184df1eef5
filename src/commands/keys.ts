/**
 * The commands on keys as a whole: delete, count, rename, copy. Several keys are looked up first, all of them; then each
 * is looked up once more as it is written, because find() remembers only the last one.
 */
import { ABSENT, COLD, LIVE } from '../coordinator/keyspace.js'
import { assert } from '../util/assert.js'
import {
  deleteKey,
  findKey,
  foundEquals,
  integerOf,
  isWord,
  lengthOf,
  sameArguments,
  setFound,
  storableKey,
} from './args.js'
import { scopeOf } from './cluster-keyspace.js'
import { NOT_AN_INTEGER, NO_SUCH_KEY, SYNTAX_ERROR, wrongNumberOfArguments } from './error-texts.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'

const SAME_OBJECT = 'ERR source and destination objects are the same'
const DB_OUT_OF_RANGE = 'ERR DB index is out of range'
const NOT_AN_INT = 'ERR value is out of range, value must between -2147483648 and 2147483647'
const BAD_CONDITION = 'ERR Invalid condition. Use IFEQ'

/** DEL key [key …], UNLINK key [key …] */
export function del(request: Request): Outcome {
  if (request.argc === 2) return deleteOne(request)
  let live = 0
  let cold = false
  let payloadBytes = 0
  for (let index = 1; index < request.argc; index++) {
    const lookup = findKey(request, index)
    if (lookup === COLD) cold = true
    if (lookup !== LIVE) continue
    live++
    payloadBytes += lengthOf(request, index)
  }
  if (cold) return COLD_BLOCKS
  if (live > 1) request.keyspace.reserve(live, payloadBytes)
  let deleted = 0
  for (let index = 1; index < request.argc && live > 0; index++) {
    const lookup = findKey(request, index)
    assert(lookup !== COLD, 'a key that was found stays at hand until the command returns')
    if (lookup === ABSENT) continue
    deleteKey(request, index)
    deleted++
  }
  request.reply.integer(deleted)
  return DONE
}

function deleteOne(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup === LIVE) deleteKey(request, 1)
  request.reply.integer(lookup === LIVE ? 1 : 0)
  return DONE
}

/** DELEX key [IFEQ value] */
export function delex(request: Request): Outcome {
  if (request.argc === 2) return deleteOne(request)
  if (request.argc !== 4) {
    request.reply.error(wrongNumberOfArguments('delex'))
    return DONE
  }
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup === LIVE && !isWord(request, 2, 'IFEQ')) {
    request.reply.error(BAD_CONDITION)
    return DONE
  }
  return deleteIf(request, lookup === LIVE && foundEquals(request, 3))
}

/** DELIFEQ key value */
export function delifeq(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  return deleteIf(request, lookup === LIVE && foundEquals(request, 2))
}

function deleteIf(request: Request, condition: boolean): Outcome {
  if (condition) deleteKey(request, 1)
  request.reply.integer(condition ? 1 : 0)
  return DONE
}

/** EXISTS key [key …], TOUCH key [key …]: a key counts as often as it is named. */
export function exists(request: Request): Outcome {
  let live = 0
  let cold = false
  for (let index = 1; index < request.argc; index++) {
    const lookup = findKey(request, index)
    if (lookup === COLD) cold = true
    else if (lookup === LIVE) live++
  }
  if (cold) return COLD_BLOCKS
  request.reply.integer(live)
  return DONE
}

/** TYPE key */
export function type(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  request.reply.simple(lookup === LIVE ? 'string' : 'none')
  return DONE
}

/** RENAME key newkey */
export function rename(request: Request): Outcome {
  return renameKey(request, false)
}

/** RENAMENX key newkey */
export function renamenx(request: Request): Outcome {
  return renameKey(request, true)
}

function renameKey(request: Request, onlyIfAbsent: boolean): Outcome {
  const same = sameArguments(request, 1, 2)
  const target = same ? LIVE : findKey(request, 2)
  const source = findKey(request, 1)
  if (source === COLD || target === COLD) return COLD_BLOCKS
  if (source === ABSENT) {
    request.reply.error(NO_SUCH_KEY)
    return DONE
  }
  const renames = !same && !(onlyIfAbsent && target === LIVE)
  if (renames) {
    if (!storableKey(request, 2)) return DONE
    moveFound(request)
  }
  if (onlyIfAbsent) request.reply.integer(renames ? 1 : 0)
  else request.reply.ok()
  return DONE
}

/** Gives the value that the last find() left for argument 1, with its time of death, to argument 2. */
function moveFound(request: Request): void {
  const { found } = request.keyspace
  const payloadBytes = lengthOf(request, 1) + lengthOf(request, 2) + found.end - found.start
  request.keyspace.reserve(2, payloadBytes)
  setFound(request, 2, found.expireAtMs)
  deleteKey(request, 1)
}

/** COPY source destination [DB 0] [REPLACE] */
export function copy(request: Request): Outcome {
  const replaces = readCopyOptions(request)
  if (replaces === null) return DONE
  if (sameArguments(request, 1, 2)) {
    request.reply.error(SAME_OBJECT)
    return DONE
  }
  const target = findKey(request, 2)
  const source = findKey(request, 1)
  if (source === COLD || target === COLD) return COLD_BLOCKS
  const copies = source === LIVE && (target === ABSENT || replaces)
  if (copies) {
    if (!storableKey(request, 2)) return DONE
    setFound(request, 2, request.keyspace.found.expireAtMs)
  }
  request.reply.integer(copies ? 1 : 0)
  return DONE
}

/** COPY: whether REPLACE was given; null when the error has been rendered. */
export function readCopyOptions(request: Request): boolean | null {
  let replaces = false
  for (let index = 3; index < request.argc; index++) {
    if (isWord(request, index, 'REPLACE')) {
      replaces = true
      continue
    }
    const isDb = isWord(request, index, 'DB') && index + 1 < request.argc
    const error = isDb ? databaseError(integerOf(request, ++index)) : SYNTAX_ERROR
    if (error === null) continue
    request.reply.error(error)
    return null
  }
  return replaces
}

function databaseError(database: number): string | null {
  if (database !== database) return NOT_AN_INTEGER
  if (database < -(2 ** 31) || database >= 2 ** 31) return NOT_AN_INT
  return database === 0 ? null : DB_OUT_OF_RANGE
}

/** DBSIZE */
export function dbsize(request: Request): Outcome {
  const { clusterKeyspace } = request.node
  if (clusterKeyspace !== null) {
    const scope = scopeOf(request)
    return request.defer(async (reply) => reply.integer(await clusterKeyspace.count(scope)))
  }
  request.reply.integer(request.keyspace.count())
  return DONE
}

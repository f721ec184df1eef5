/**
 * What Redis tells about the object behind a key: OBJECT and MEMORY. Values here are bytes and nothing else, so the
 * answers are derived from them: the encoding is the one that Redis would choose for a value that was SET.
 */
import { ABSENT, COLD, LIVE } from '../coordinator/keyspace.js'
import { findKey, integerOf, isWord } from './args.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './error-texts.js'
import { parseInteger } from './integer-text.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'

const NO_LFU =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between ' +
  'policies at runtime LRU and LFU data will take some time to adjust.'

const DOCTOR_TEXT =
  'Memory is bounded by the settings of memtables and block cache; INFO memory shows what is used.\n'
const NO_ALLOCATOR_TEXT = 'Stats not supported for the current allocator'

/** Longest value that Redis keeps in one piece with its object. */
const EMBEDDED_BYTES_MAX = 44

/** OBJECT ENCODING key */
export function objectEncoding(request: Request): Outcome {
  return onKey(request, replyEncoding)
}

/** OBJECT FREQ key */
export function objectFreq(request: Request): Outcome {
  return onKey(request, replyFrequency)
}

/** OBJECT IDLETIME key */
export function objectIdletime(request: Request): Outcome {
  return onKey(request, replyIdleTime)
}

/** OBJECT REFCOUNT key */
export function objectRefcount(request: Request): Outcome {
  return onKey(request, replyReferences)
}

/** Looks up argument 2 and lets `answer` describe what was found. */
function onKey(request: Request, answer: (request: Request) => void): Outcome {
  const lookup = findKey(request, 2)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup === ABSENT) request.reply.nil()
  else answer(request)
  return DONE
}

function replyEncoding(request: Request): void {
  const { bytes, start, end } = request.keyspace.found
  const isInteger = !Number.isNaN(parseInteger(bytes, start, end))
  request.reply.bulkText(isInteger ? 'int' : end - start <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw')
}

function replyFrequency(request: Request): void {
  request.reply.error(NO_LFU)
}

/** Seconds since the last write: reads leave no trace here. */
function replyIdleTime(request: Request): void {
  const { keyspace } = request
  request.reply.integer(Math.max(0, Math.floor((keyspace.nowMs() - keyspace.found.writtenAtMs) / 1000)))
}

function replyReferences(request: Request): void {
  request.reply.integer(1)
}

/** MEMORY USAGE | STATS | DOCTOR | PURGE | MALLOC-STATS: the last four as far as they mean something here. */
export function memory(request: Request): Outcome {
  const { reply } = request
  if (isWord(request, 1, 'USAGE')) return memoryUsage(request)
  if (isWord(request, 1, 'STATS')) replyStats(request)
  else if (isWord(request, 1, 'DOCTOR')) reply.verbatim('txt', DOCTOR_TEXT)
  else if (isWord(request, 1, 'PURGE')) reply.ok()
  else reply.bulkText(NO_ALLOCATOR_TEXT)
  return DONE
}

/** Bytes of the key's whole entry, on disk as in memory; SAMPLES is checked and otherwise of no use for strings. */
function memoryUsage(request: Request): Outcome {
  for (let index = 3; index < request.argc; index += 2) {
    if (!isWord(request, index, 'SAMPLES') || index + 1 === request.argc) return refuse(request, SYNTAX_ERROR)
    const samples = integerOf(request, index + 1)
    if (samples !== samples) return refuse(request, NOT_AN_INTEGER)
    if (samples < 0) return refuse(request, SYNTAX_ERROR)
  }
  const lookup = findKey(request, 2)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup === LIVE) request.reply.integer(request.keyspace.found.entryBytes)
  else request.reply.nil()
  return DONE
}

/** The figures of Redis's MEMORY STATS that exist here, under its names. */
function replyStats(request: Request): void {
  const { reply, node, keyspace } = request
  const { residentBytes, heapUsedBytes } = node.memory()
  const facts = node.engineFacts()
  const dataBytes = facts.memtableBytes + facts.blockCacheBytes
  const rows: readonly (readonly [string, number])[] = [
    ['total.allocated', residentBytes],
    ['keys.count', keyspace.count()],
    ['dataset.bytes', dataBytes],
    ['memtable.bytes', facts.memtableBytes],
    ['block-cache.bytes', facts.blockCacheBytes],
    ['heap.used', heapUsedBytes],
  ]
  reply.map(rows.length)
  for (const [name, value] of rows) {
    reply.bulkText(name)
    reply.integer(value)
  }
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

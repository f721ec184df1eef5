/**
 * What Redis tells about the object behind a key: OBJECT and MEMORY. Values here are bytes and nothing else, so the
 * answers are derived from them: the encoding is the one that Redis would choose for a value that was SET.
 */
import { ABSENT, COLD, LIVE } from '../coordinator/keyspace.js'
import { integerOf, isWord, readKey, textOf } from './args.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR, unknownSubcommand, wrongNumberOfArguments } from './error-texts.js'
import { parseInteger } from './integer-text.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'

const NO_LFU =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between ' +
  'policies at runtime LRU and LFU data will take some time to adjust.'

/** Longest value that Redis keeps in one piece with its object. */
const EMBEDDED_BYTES_MAX = 44

const OBJECT_HELP = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
  'HELP',
  '    Prints this help.',
]

const MEMORY_HELP = [
  'MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'DOCTOR',
  '    Return memory problems reports.',
  'MALLOC-STATS',
  '    Return internal statistics report from the memory allocator.',
  'PURGE',
  '    Attempt to purge dirty pages for reclamation by the allocator.',
  'STATS',
  '    Return information about the memory usage of the server.',
  'USAGE <key> [SAMPLES <count>]',
  '    Return memory in bytes used by <key> and its value. Nested values are',
  '    sampled up to <count> times (default: 5, 0 means sample all).',
  'HELP',
  '    Prints this help.',
]

/** OBJECT ENCODING | FREQ | IDLETIME | REFCOUNT key, OBJECT HELP */
export function object(request: Request): Outcome {
  if (request.argc === 1) return refuse(request, wrongNumberOfArguments('object'))
  if (isWord(request, 1, 'HELP')) return help(request, OBJECT_HELP, 'object|help')
  if (isWord(request, 1, 'ENCODING')) return onKey(request, 'object|encoding', replyEncoding)
  if (isWord(request, 1, 'FREQ')) return onKey(request, 'object|freq', replyFrequency)
  if (isWord(request, 1, 'IDLETIME')) return onKey(request, 'object|idletime', replyIdleTime)
  if (isWord(request, 1, 'REFCOUNT')) return onKey(request, 'object|refcount', replyReferences)
  return refuse(request, unknownSubcommand('OBJECT', textOf(request, 1)))
}

/** Looks up argument 2 and lets `answer` describe what was found. */
function onKey(request: Request, command: string, answer: (request: Request) => void): Outcome {
  if (request.argc !== 3) return refuse(request, wrongNumberOfArguments(command))
  const lookup = readKey(request, 2)
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

/** MEMORY USAGE key [SAMPLES count], and the rest of MEMORY as far as it means something here. */
export function memory(request: Request): Outcome {
  if (request.argc === 1) return refuse(request, wrongNumberOfArguments('memory'))
  if (isWord(request, 1, 'USAGE')) return usage(request)
  if (isWord(request, 1, 'HELP')) return help(request, MEMORY_HELP, 'memory|help')
  if (isWord(request, 1, 'PURGE')) return simple(request, 'memory|purge', () => request.reply.ok())
  if (isWord(request, 1, 'STATS')) return simple(request, 'memory|stats', () => replyStats(request))
  if (isWord(request, 1, 'DOCTOR'))
    return simple(request, 'memory|doctor', () => request.reply.verbatim('txt', DOCTOR_TEXT))
  if (isWord(request, 1, 'MALLOC-STATS'))
    return simple(request, 'memory|malloc-stats', () => request.reply.verbatim('txt', NO_ALLOCATOR_TEXT))
  return refuse(request, unknownSubcommand('MEMORY', textOf(request, 1)))
}

const DOCTOR_TEXT =
  'Memory is bounded by the settings of memtables and block cache; INFO memory shows what is used.\n'
const NO_ALLOCATOR_TEXT = 'Stats not supported for the current allocator'

/** Bytes of the key's whole entry, on disk as in memory; SAMPLES is checked and otherwise of no use for strings. */
function usage(request: Request): Outcome {
  if (request.argc < 3) return refuse(request, wrongNumberOfArguments('memory|usage'))
  for (let index = 3; index < request.argc; index += 2) {
    if (!isWord(request, index, 'SAMPLES') || index + 1 === request.argc) return refuse(request, SYNTAX_ERROR)
    const samples = integerOf(request, index + 1)
    if (samples !== samples) return refuse(request, NOT_AN_INTEGER)
    if (samples < 0) return refuse(request, SYNTAX_ERROR)
  }
  const lookup = readKey(request, 2)
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

function simple(request: Request, command: string, answer: () => void): Outcome {
  if (request.argc !== 2) return refuse(request, wrongNumberOfArguments(command))
  answer()
  return DONE
}

/** HELP's lines, as status replies. */
function help(request: Request, lines: readonly string[], command: string): Outcome {
  return simple(request, command, () => {
    request.reply.array(lines.length)
    for (const line of lines) request.reply.simple(line)
  })
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

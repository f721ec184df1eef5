/**
 * Reading the arguments of a request in place: options by their bytes, in any case, and lookups of the keys among them.
 * Nothing here makes a string, because GET and SET go through it.
 */
import { COLD, LIVE } from '../coordinator/keyspace.js'
import type { Lookup } from '../coordinator/keyspace.js'
import { KEY_BYTES_MAX } from '../resp/limits.js'
import { equalBytes } from '../util/bytes.js'
import { KEY_TOO_LONG } from './error-texts.js'
import { parseBigInteger, parseInteger } from './integer-text.js'
import type { Request } from './request.js'

/** Clears the bit that tells a small ASCII letter from its capital. */
const TO_UPPER = 0xdf

/** Whether argument `index` is `word`, in any case. `word` consists of capital letters only. */
export function isWord(request: Request, index: number, word: string): boolean {
  const bytes = request.bytes
  const start = request.offsets[2 * index]
  const length = word.length
  if (request.offsets[2 * index + 1] - start !== length) return false
  for (let i = 0; i < length; i++) if ((bytes[start + i] & TO_UPPER) !== word.charCodeAt(i)) return false
  return true
}

/** Argument `index` as text, for error messages. */
export function textOf(request: Request, index: number): string {
  return request.bytes.toString('utf8', request.offsets[2 * index], request.offsets[2 * index + 1])
}

export function lengthOf(request: Request, index: number): number {
  return request.offsets[2 * index + 1] - request.offsets[2 * index]
}

/** The 64-bit integer that argument `index` spells, or NaN; see parseInteger() for values beyond 2^53. */
export function integerOf(request: Request, index: number): number {
  return parseInteger(request.bytes, request.offsets[2 * index], request.offsets[2 * index + 1])
}

/** The exact value of an argument that integerOf() has accepted. */
export function bigIntegerOf(request: Request, index: number): bigint {
  return parseBigInteger(request.bytes, request.offsets[2 * index], request.offsets[2 * index + 1])
}

/** Whether two arguments hold the same bytes. */
export function sameArguments(request: Request, one: number, other: number): boolean {
  const { bytes, offsets } = request
  const length = offsets[2 * one + 1] - offsets[2 * one]
  if (offsets[2 * other + 1] - offsets[2 * other] !== length) return false
  return equalBytes(bytes, offsets[2 * one], bytes, offsets[2 * other], length)
}

/** Whether the value that the last find() left is what argument `index` holds. */
export function foundEquals(request: Request, index: number): boolean {
  const found = request.keyspace.found
  const start = request.offsets[2 * index]
  const length = request.offsets[2 * index + 1] - start
  return (
    found.end - found.start === length && equalBytes(found.bytes, found.start, request.bytes, start, length)
  )
}

/** Looks up the key in argument `index`. */
export function findKey(request: Request, index: number): Lookup {
  return request.keyspace.find(request.bytes, request.offsets[2 * index], request.offsets[2 * index + 1])
}

/**
 * Counts a hit or a miss for a command that writes but, in Redis's eyes, reads too (GETEX, GETDEL, GETSET, SET with GET).
 * The lookups of commands that only read are counted by the keyspace.
 */
export function countRead(request: Request, lookup: Lookup): void {
  if (lookup === LIVE) request.node.stats.keyspaceHits++
  else request.node.stats.keyspaceMisses++
}

/**
 * Looks up the keys in arguments first, first + step, … below `end`: true when any is COLD. It asks for all of them, so
 * that their blocks load side by side.
 */
export function anyCold(request: Request, first: number, end: number, step: number): boolean {
  let cold = false
  for (let index = first; index < end; index += step) if (findKey(request, index) === COLD) cold = true
  return cold
}

/** Whether the key in argument `index` is short enough to be stored; renders the error when it is not. */
export function storableKey(request: Request, index: number): boolean {
  if (request.offsets[2 * index + 1] - request.offsets[2 * index] <= KEY_BYTES_MAX) return true
  request.reply.error(KEY_TOO_LONG)
  return false
}

/** Writes argument `valueIndex` under the key in argument `keyIndex`. */
export function setArgument(
  request: Request,
  keyIndex: number,
  valueIndex: number,
  expireAtMs: number,
): void {
  const { bytes, offsets } = request
  const key = 2 * keyIndex
  const value = 2 * valueIndex
  request.keyspace.set(
    bytes,
    offsets[key],
    offsets[key + 1],
    bytes,
    offsets[value],
    offsets[value + 1],
    expireAtMs,
  )
}

/** Writes the value that the last find() left, whole, under the key in argument `keyIndex`. */
export function setFound(request: Request, keyIndex: number, expireAtMs: number): void {
  const { bytes, offsets, keyspace } = request
  const { found } = keyspace
  const key = 2 * keyIndex
  keyspace.set(bytes, offsets[key], offsets[key + 1], found.bytes, found.start, found.end, expireAtMs)
}

export function deleteKey(request: Request, index: number): void {
  request.keyspace.delete(request.bytes, request.offsets[2 * index], request.offsets[2 * index + 1])
}

/**
 * The names of the files in a node's data directory. A number is used once and never again in the life of a directory
 * (the manifest keeps the next one), so a name found on disk that the manifest does not mention is a leftover of a
 * crash, never an older incarnation of something live.
 *
 *     000012.log      a segment of the write-ahead log
 *     000013.table    a sorted table
 *     000014.counts   key counts as of the end of a segment
 *     000015.trees    Merkle trees as of the end of a segment
 *     MANIFEST        which of these are live
 *     MANIFEST.tmp    the next manifest while it is being written
 */
import { assert } from '../util/assert.js'

export const MANIFEST_NAME = 'MANIFEST'
export const MANIFEST_TEMPORARY_NAME = 'MANIFEST.tmp'

/** Files that carry a number; the kind is the name's extension. */
export type NumberedFileKind = 'log' | 'table' | 'counts' | 'trees'

export type StoreFileName =
  | { readonly kind: NumberedFileKind; readonly fileNumber: number }
  | { readonly kind: 'manifest' }
  | { readonly kind: 'manifest-temporary' }

const NUMBERED = /^(\d{6,16})\.(log|table|counts|trees)$/

export function logFileName(fileNumber: number): string {
  return numberedFileName('log', fileNumber)
}

export function tableFileName(fileNumber: number): string {
  return numberedFileName('table', fileNumber)
}

export function countsFileName(fileNumber: number): string {
  return numberedFileName('counts', fileNumber)
}

export function treesFileName(fileNumber: number): string {
  return numberedFileName('trees', fileNumber)
}

/** Six digits, more when the number needs them. */
export function numberedFileName(kind: NumberedFileKind, fileNumber: number): string {
  assert(
    Number.isSafeInteger(fileNumber) && fileNumber > 0,
    `file number ${fileNumber} is a positive integer`,
  )
  return `${String(fileNumber).padStart(6, '0')}.${kind}`
}

/** What a name in the data directory is, or null when it is none of ours. Accepts only what the functions above write. */
export function parseFileName(name: string): StoreFileName | null {
  if (name === MANIFEST_NAME) return { kind: 'manifest' }
  if (name === MANIFEST_TEMPORARY_NAME) return { kind: 'manifest-temporary' }
  const match = NUMBERED.exec(name)
  if (match === null) return null
  const fileNumber = Number(match[1])
  const kind = match[2] as NumberedFileKind
  if (!Number.isSafeInteger(fileNumber) || fileNumber === 0) return null
  return numberedFileName(kind, fileNumber) === name ? { kind, fileNumber } : null
}

/** The path of a name in the data directory. */
export function pathOf(directory: string, name: string): string {
  return `${directory}/${name}`
}

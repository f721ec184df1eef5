/**
 * The trees of a node as of one of its entries, as bytes: what a flush saves, so that a start need not read every table to
 * have them, and what a job that has counted records answers with. Little-endian; words of sums as they lie in memory.
 *
 *     file    := magic u32 "KDTR", format u16 = 1, versionBytes u16, rangeCount u32, sequence u48, flushMark u53 (7 bytes),
 *                zeros {7}, version, range*, checksum u32     xxHash32, seed 0, of everything before it
 *     version := UTF-8                  of the ranges (partitions.ts)
 *     range   := floor u48, treeCount u32, tree*              treeCount 2^32-1, and no tree: not known
 *     tree    := hour u32               of death, as the number of hours from 1970 to its end; 0 for never
 *                keys i48, lastArrival u48, low i32, high i32, leafCount u32, { low i32, high i32 } x leafCount
 *
 * Trees of the hours of a range ascend by hour. leafCount is 0 where a tree is folded. The format stands for what a record adds
 * (record-share.ts) and for the number of leaves too: when either changes, so does it.
 */
import { assert } from '../../util/assert.js'
import { readI32, readU16, readU32, readU48, readU53 } from '../../util/bytes.js'
import { writeU16, writeU32, writeU48, writeU53 } from '../../util/bytes.js'
import { xxh32 } from '../../util/xxhash.js'
import type { Disk } from '../../env/disk.js'
import { readWhole, writeWhole } from '../checked-file.js'
import { CorruptionError } from '../corruption-error.js'
import { VERSION_BYTES_MAX } from '../partitions.js'
import { HourTree } from './hour-tree.js'
import { fullLeafCount } from './tree-ranges.js'

export const TREES_MAGIC = 0x5254_444b
export const TREES_FORMAT = 1

const HEADER_BYTES = 32
const RANGE_BYTES = 10
const TREE_BYTES = 28
const LEAF_BYTES = 8
const CHECKSUM_BYTES = 4
const NOT_KNOWN = 0xffff_ffff
const TWO_48 = 2 ** 48
const ADVICE = 'Remove the file: the trees are then counted anew at the next start.'

/** The trees of one range by hour; null where they are not known. */
export type SavedHours = ReadonlyMap<number, HourTree> | null

export interface SavedRange {
  /** Entries of the range up to this sequence count as absent. */
  readonly floor: number
  readonly hours: SavedHours
}

export interface SavedTrees {
  /** Of the ranges. */
  readonly version: string
  /** Entries up to this one are in the trees. */
  readonly sequence: number
  readonly flushMark: number
  readonly ranges: readonly SavedRange[]
}

/** The file's bytes; the last four are left for the checksum (see sealTrees). */
export function encodeTrees({ version, sequence, flushMark, ranges }: SavedTrees): Buffer {
  const versionBytes = Buffer.from(version)
  assert(versionBytes.length <= VERSION_BYTES_MAX, 'the version of the ranges is short')
  const treesBytes = ranges.reduce((sum, { hours }) => sum + RANGE_BYTES + bytesOf(hours), 0)
  const bytes = Buffer.alloc(HEADER_BYTES + versionBytes.length + treesBytes + CHECKSUM_BYTES)
  writeU32(bytes, 0, TREES_MAGIC)
  writeU16(bytes, 4, TREES_FORMAT)
  writeU16(bytes, 6, versionBytes.length)
  writeU32(bytes, 8, ranges.length)
  writeU48(bytes, 12, sequence)
  writeU53(bytes, 18, flushMark)
  versionBytes.copy(bytes, HEADER_BYTES)
  let at = HEADER_BYTES + versionBytes.length
  for (const { floor, hours } of ranges) {
    writeU48(bytes, at, floor)
    writeU32(bytes, at + 6, hours?.size ?? NOT_KNOWN)
    at += RANGE_BYTES
    const ascending = [...(hours ?? [])].sort(([a], [b]) => a - b)
    for (const [hour, tree] of ascending) at = writeTree(bytes, at, hour, tree)
  }
  assert(at === bytes.length - CHECKSUM_BYTES, 'trees are as long as was said')
  return bytes
}

function bytesOf(hours: SavedHours): number {
  let bytes = 0
  for (const tree of hours?.values() ?? []) bytes += TREE_BYTES + tree.leafCount * LEAF_BYTES
  return bytes
}

function writeTree(bytes: Buffer, at: number, hour: number, tree: HourTree): number {
  const { keys, lastArrival, low, high, leafCount, leaves } = tree
  writeU32(bytes, at, hour)
  writeU48(bytes, at + 4, keys < 0 ? keys + TWO_48 : keys)
  writeU48(bytes, at + 10, lastArrival)
  writeU32(bytes, at + 16, low)
  writeU32(bytes, at + 20, high)
  writeU32(bytes, at + 24, leafCount)
  if (leaves !== null) bytesOfWords(leaves).copy(bytes, at + TREE_BYTES)
  return at + TREE_BYTES + leafCount * LEAF_BYTES
}

function bytesOfWords(words: Int32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength)
}

/** Completes the bytes of encodeTrees(), writes and syncs the file; the caller syncs the directory. Throws the disk's errors. Returns bytes written. */
export function writeTrees(disk: Disk, path: string, encoded: Uint8Array): number {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length)
  sealTrees(bytes)
  writeWhole(disk, path, bytes)
  return bytes.length
}

/** Reads the file back. Throws CorruptionError when its bytes are not what was written, and the disk's errors. */
export function readTrees(disk: Disk, path: string): SavedTrees {
  return decodeTrees(readWhole(disk, path), path)
}

/** Completes the bytes of encodeTrees(). */
export function sealTrees(bytes: Uint8Array): void {
  const end = bytes.length - CHECKSUM_BYTES
  writeU32(bytes, end, xxh32(bytes, 0, end, 0))
}

/** Decodes sealed bytes. Throws CorruptionError, which names `path`, when they are not what was written. */
export function decodeTrees(bytes: Buffer, path: string): SavedTrees {
  const end = bytes.length - CHECKSUM_BYTES
  if (end < HEADER_BYTES) throw new CorruptionError(path, 0, 'trees: the file is too short', ADVICE)
  if (readU32(bytes, end) !== xxh32(bytes, 0, end, 0) >>> 0) {
    throw new CorruptionError(path, 0, 'trees: the checksum does not match', ADVICE)
  }
  if (readU32(bytes, 0) !== TREES_MAGIC) throw new CorruptionError(path, 0, 'not a file of trees', ADVICE)
  const format = readU16(bytes, 4)
  if (format !== TREES_FORMAT) throw new CorruptionError(path, 4, `trees of format ${format}`, ADVICE)
  const trees = decodeUnsealed(bytes.subarray(0, end))
  if (trees === null) throw new CorruptionError(path, HEADER_BYTES, 'trees: they end in the middle', ADVICE)
  return trees
}

/** Null when the bytes are too few or too many for what they announce. */
function decodeUnsealed(bytes: Buffer): SavedTrees | null {
  const rangesAt = HEADER_BYTES + readU16(bytes, 6)
  const rangeCount = readU32(bytes, 8)
  const ranges: SavedRange[] = []
  const reader = { bytes, at: rangesAt }
  while (ranges.length < rangeCount) {
    if (reader.at + RANGE_BYTES > bytes.length) return null
    const floor = readU48(bytes, reader.at)
    const treeCount = readU32(bytes, reader.at + 6)
    reader.at += RANGE_BYTES
    const hours = treeCount === NOT_KNOWN ? null : readHours(reader, treeCount)
    if (hours === 'not whole') return null
    ranges.push({ floor, hours })
  }
  if (reader.at !== bytes.length) return null
  const version = bytes.toString('utf8', HEADER_BYTES, rangesAt)
  return { version, sequence: readU48(bytes, 12), flushMark: readU53(bytes, 18), ranges }
}

function readHours(
  reader: { readonly bytes: Buffer; at: number },
  treeCount: number,
): Map<number, HourTree> | 'not whole' {
  const { bytes } = reader
  const hours = new Map<number, HourTree>()
  while (hours.size < treeCount) {
    if (reader.at + TREE_BYTES > bytes.length) return 'not whole'
    const { at } = reader
    const hour = readU32(bytes, at)
    const leafCount = readU32(bytes, at + 24)
    if (hours.has(hour) || (leafCount !== 0 && leafCount !== fullLeafCount(hour))) return 'not whole'
    reader.at += TREE_BYTES + leafCount * LEAF_BYTES
    if (reader.at > bytes.length) return 'not whole'
    const tree = new HourTree(leafCount)
    const keys = readU48(bytes, at + 4)
    tree.keys = keys >= TWO_48 / 2 ? keys - TWO_48 : keys
    tree.lastArrival = readU48(bytes, at + 10)
    tree.low = readI32(bytes, at + 16)
    tree.high = readI32(bytes, at + 20)
    if (tree.leaves !== null) bytes.copy(bytesOfWords(tree.leaves), 0, at + TREE_BYTES, reader.at)
    hours.set(hour, tree)
  }
  return hours
}

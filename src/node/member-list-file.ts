/**
 * The file MEMBERS of a data directory: the member list as it was placed on the ring, vnodes included. Vnodes are chosen once,
 * when a member joins, and depend on who had joined before; so a node that would forget them and place the bare list anew
 * could disagree with its peers about who has a key.
 *
 * Rewritten whole as the manifest is (MEMBERS.tmp written and synced, renamed, directory synced), in the same form:
 *
 *     kindred-members 1 xxh32 5f3a9c01 \n    format, and xxHash32 (seed 0) of all bytes after this line, in hexadecimal
 *     { "replicas": 3, "members": [ … ] }    N as configured, and PlacedMembers in the order of their ids
 */
import type { Disk } from '../env/disk.js'
import type { PlacedMember } from '../ring/member.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { pathOf } from '../storage/file-names.js'
import { xxh32 } from '../util/xxhash.js'

export const MEMBERS_NAME = 'MEMBERS'
const TEMPORARY_NAME = 'MEMBERS.tmp'
const FORMAT = 1
const HEADER = /^kindred-members (\d+) xxh32 ([0-9a-f]{8})$/
const HEADER_BYTES_MAX = 64
const ADVICE =
  'Copy the file MEMBERS of another node of the cluster here, which holds the same list, or restore the directory.'

export interface SavedMembers {
  /** As configured. */
  readonly replicas: number
  readonly members: readonly PlacedMember[]
}

/** The saved list, or null where there is none. Throws CorruptionError for bytes that are not what was written. */
export function loadMembers(disk: Disk, directory: string): SavedMembers | null {
  const path = pathOf(directory, MEMBERS_NAME)
  if (!disk.exists(path)) return null
  const file = disk.open(path, 'read')
  try {
    const bytes = Buffer.allocUnsafe(disk.sizeBytes(file))
    return decode(bytes.subarray(0, disk.readSync(file, bytes, 0, bytes.length, 0)), path)
  } finally {
    disk.close(file)
  }
}

/** Makes this list the durable one; the directory must exist. Throws the disk's errors: then either list may be there. */
export function saveMembers(disk: Disk, directory: string, saved: SavedMembers): void {
  const bytes = encode(saved)
  const temporary = pathOf(directory, TEMPORARY_NAME)
  const file = disk.open(temporary, 'create')
  try {
    disk.truncate(file, 0)
    disk.writeSync(file, bytes, 0, bytes.length, 0)
    disk.syncSync(file)
  } finally {
    disk.close(file)
  }
  disk.rename(temporary, pathOf(directory, MEMBERS_NAME))
  disk.syncDirectory(directory)
}

function encode({ replicas, members }: SavedMembers): Buffer {
  const lines = members.map((member) => `    ${JSON.stringify(member)}`).join(',\n')
  const body = Buffer.from(`{\n  "replicas": ${replicas},\n  "members": [\n${lines}\n  ]\n}\n`)
  return Buffer.concat([Buffer.from(`kindred-members ${FORMAT} xxh32 ${checksum(body)}\n`), body])
}

function decode(bytes: Buffer, path: string): SavedMembers {
  const lineEnd = bytes.subarray(0, HEADER_BYTES_MAX).indexOf(0x0a)
  const header = HEADER.exec(bytes.toString('latin1', 0, Math.max(lineEnd, 0)))
  if (header === null) throw new CorruptionError(path, 0, 'it does not begin as a member list does', ADVICE)
  const body = bytes.subarray(lineEnd + 1)
  if (header[2] !== checksum(body)) {
    throw new CorruptionError(path, lineEnd + 1, 'the checksum does not match', ADVICE)
  }
  if (Number(header[1]) !== FORMAT) {
    const advice = 'It takes another version of Kindred to read it.'
    throw new CorruptionError(path, 0, `format ${header[1]} is not known`, advice)
  }
  // The checksum says that these are the bytes that encode wrote; what a ring cannot be made of, the ring refuses.
  return JSON.parse(body.toString()) as SavedMembers
}

function checksum(bytes: Uint8Array): string {
  return (xxh32(bytes, 0, bytes.length, 0) >>> 0).toString(16).padStart(8, '0')
}

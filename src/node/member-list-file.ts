/**
 * The file MEMBERS of a data directory: the member list as it was placed on the ring, vnodes included. Vnodes are chosen once,
 * when a member joins, and depend on who had joined before; so a node that would forget them and place the bare list anew
 * could disagree with its peers about who has a key.
 *
 * Rewritten whole as the manifest is (MEMBERS.tmp written and synced, renamed, directory synced):
 *
 *     kindred-members 1 xxh32 5f3a9c01 \n    storage/checked-file.ts
 *     { "replicas": 3, "members": [ … ] }    N as configured, and PlacedMembers in the order of their ids
 */
import type { Disk } from '../env/disk.js'
import type { PlacedMember } from '../ring/member.js'
import type { CheckedFormat } from '../storage/checked-file.js'
import { readWhole, withHeader, withoutHeader, writeWhole } from '../storage/checked-file.js'
import { pathOf } from '../storage/file-names.js'

export const MEMBERS_NAME = 'MEMBERS'
const TEMPORARY_NAME = 'MEMBERS.tmp'
const FILE: CheckedFormat = {
  word: 'kindred-members',
  name: 'a member list',
  format: 1,
  advice:
    'Copy the file MEMBERS of another node of the cluster here, which holds the same list, or restore the directory.',
}

export interface SavedMembers {
  /** As configured. */
  readonly replicas: number
  readonly members: readonly PlacedMember[]
}

/** The saved list, or null where there is none. Throws CorruptionError for bytes that are not what was written. */
export function loadMembers(disk: Disk, directory: string): SavedMembers | null {
  const path = pathOf(directory, MEMBERS_NAME)
  if (!disk.exists(path)) return null
  // The checksum says that these are the bytes that saveMembers wrote; what a ring cannot be made of, the ring refuses.
  return JSON.parse(withoutHeader(FILE, readWhole(disk, path), path).toString()) as SavedMembers
}

/** Makes this list the durable one; the directory must exist. Throws the disk's errors: then either list may be there. */
export function saveMembers(disk: Disk, directory: string, saved: SavedMembers): void {
  const temporary = pathOf(directory, TEMPORARY_NAME)
  writeWhole(disk, temporary, withHeader(FILE, Buffer.from(textOf(saved))))
  disk.rename(temporary, pathOf(directory, MEMBERS_NAME))
  disk.syncDirectory(directory)
}

function textOf({ replicas, members }: SavedMembers): string {
  const lines = members.map((member) => `    ${JSON.stringify(member)}`).join(',\n')
  return `{\n  "replicas": ${replicas},\n  "members": [\n${lines}\n  ]\n}\n`
}

/**
 * What a node says of itself in a HELLO besides what the link says for it, as JSON: a HELLO is rare and people read it. And
 * the judgement on a peer's member list (RULES H2), which needs both lists.
 */
import { sha1Hex } from '../env/sha1.js'
import type { Disk } from '../env/disk.js'
import { printable } from '../link/handshake-frame.js'
import type { Hello } from '../link/hello.js'
import { HELLO_STATE_BYTES_MAX } from '../link/limits.js'
import type { Ring } from '../ring/ring.js'
import { Manifest } from '../storage/manifest.js'
import { assert } from '../util/assert.js'

export interface PeerHelloState {
  readonly name: string
  /** The ring's description of the member list; cut where it is very long. */
  readonly list: string
  /** Another one for another data directory: 40 hexadecimal digits. */
  readonly directoryId: string
  /** Where clients of this node's neighbours are to be sent to reach it: cluster-announce-ip. */
  readonly announceAddress: string
}

/** Of a description; names and labels are ASCII. */
const LIST_LENGTH_MAX = HELLO_STATE_BYTES_MAX - 1024

export function encodePeerState(state: PeerHelloState): Buffer {
  const { list } = state
  const cut = list.length > LIST_LENGTH_MAX ? `${list.slice(0, LIST_LENGTH_MAX)}...` : list
  return Buffer.from(JSON.stringify({ ...state, list: cut }))
}

/** Null for bytes that are no such state. */
export function decodePeerState(bytes: Buffer): PeerHelloState | null {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null) return null
  const { name, list, directoryId, announceAddress } = json as Record<string, unknown>
  if (typeof name !== 'string' || typeof list !== 'string' || typeof announceAddress !== 'string') return null
  if (typeof directoryId !== 'string' || !/^[0-9a-f]{40}$/.test(directoryId)) return null
  return {
    name: printable(name),
    list: printable(list),
    directoryId,
    announceAddress: printable(announceAddress),
  }
}

/**
 * The identity of the data directory: a wiped one gets another. It follows from the one that the manifest has kept since the
 * store was first opened, so that the two cannot disagree. Call it once the store is open.
 */
export function directoryIdOf(disk: Disk, directory: string): string {
  const manifest = Manifest.load(disk, directory)
  assert(manifest !== null, 'an open store has a manifest')
  return sha1Hex(`kindred directory ${manifest.directoryId}`)
}

/** Why a peer with this HELLO is not taken, or null when it is. The text names both member lists. */
export function judgePeer(hello: Hello, ring: Ring): string | null {
  const peer = decodePeerState(hello.state)
  if (peer === null) return `node ${hello.nodeId} does not say which member list it has`
  if (hello.ringVersion === ring.version) {
    if (ring.indexOf(hello.nodeId) >= 0) return null
    return `${peer.name} (${hello.nodeId}) is no member. The list is: ${ring.describe()}`
  }
  const own = ring.describe()
  const hint =
    membersIn(peer.list) === membersIn(own)
      ? 'The members are the same but joined in another order: give both nodes the same file MEMBERS. '
      : ''
  return `${peer.name} was started with another member list. ${hint}Its list: ${peer.list}. This node's list: ${own}`
}

/** A description without the ring's version, which also depends on vnodes. */
function membersIn(list: string): string {
  return list.replace(/^ring \S+ /, '')
}

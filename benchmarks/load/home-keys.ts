/** Which keys a cluster client would send to which node: the slots that each node is the home of, from CLUSTER SLOTS. */
import type { Reply } from '../../src/resp/reply-parser.js'
import type { SlotRange } from '../../src/ring/slot-range.js'
import { SLOT_COUNT, slotOf } from '../../src/ring/slot.js'
import type { Address } from '../servers/resp-client.js'
import { KEY_BYTES, writeKey } from './requests.js'

/**
 * The ranges of each node, in the order of `addresses`, from the reply to CLUSTER SLOTS (each entry: first slot, last
 * slot, the home as [host, port, …], further replicas). Throws when a slot has no home among the addresses.
 */
export function homesOf(slots: Reply, addresses: readonly Address[]): SlotRange[][] {
  if (!Array.isArray(slots)) throw new Error(`CLUSTER SLOTS answered ${String(slots)}`)
  const homes: SlotRange[][] = addresses.map(() => [])
  let covered = 0
  for (const entry of slots as readonly Reply[]) {
    const [firstSlot, lastSlot, home] = entry as readonly [number, number, readonly [Reply, number]]
    const [named, port] = [String(home[0]), home[1]]
    const node = addresses.findIndex((address) => address.port === port && address.host === named)
    if (node === -1) throw new Error(`CLUSTER SLOTS names ${named}:${port}, which is none of the nodes`)
    homes[node].push({ firstSlot, lastSlot })
    covered += lastSlot - firstSlot + 1
  }
  if (covered !== SLOT_COUNT) throw new Error(`CLUSTER SLOTS covers ${covered} slots of ${SLOT_COUNT}`)
  return homes
}

/** Keys 0 to `keys` - 1 by the node whose home they have, ascending; those of slots that no range holds are left out. */
export function keysByHome(keys: number, homes: readonly (readonly SlotRange[])[]): Uint32Array[] {
  const nodeOfSlot = new Int16Array(SLOT_COUNT).fill(-1)
  for (const [node, ranges] of homes.entries()) {
    for (const { firstSlot, lastSlot } of ranges) nodeOfSlot.fill(node, firstSlot, lastSlot + 1)
  }
  const found = homes.map(() => new Uint32Array(keys))
  const counts = homes.map(() => 0)
  const name = Buffer.alloc(KEY_BYTES)
  for (let key = 0; key < keys; key++) {
    writeKey(name, 0, key)
    const node = nodeOfSlot[slotOf(name, 0, KEY_BYTES)]
    if (node !== -1) found[node][counts[node]++] = key
  }
  return found.map((of, node) => of.subarray(0, counts[node]))
}

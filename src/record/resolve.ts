/**
 * A write whose writer names what it has seen (RULES V3): it replaces exactly that, and stands beside everything else.
 * The result is the whole record, with a context that joins the local one, the client's and the new dot. Leaving the
 * local context out would bring overwritten values back at the next merge; sending only the new sibling with the
 * client's context would lose acknowledged writes that the context of a sibling does not mention.
 */
import { assert } from '../util/assert.js'
import { rank } from './merge.js'
import type { RecordValue, Sibling } from './record.js'
import { coversDot, joinVectors, newestHlc, type VersionVector } from './version-vector.js'

/**
 * The record of `key` after a write of `sibling` by a client that has seen `clientContext`, over the local record (null
 * when there is none). The sibling's dot must exceed every entry of both contexts (RULES V4). Caps are the caller's to
 * check (RULES V8).
 */
export function resolveRecord(
  key: Uint8Array,
  local: RecordValue | null,
  clientContext: VersionVector,
  sibling: Sibling,
): RecordValue {
  const seen = joinVectors(local?.context ?? [], clientContext)
  assert(newestHlc(seen) < sibling.hlc, 'a new dot exceeds every entry of the contexts')
  const unseen = local?.siblings.filter((other) => !coversDot(clientContext, other)) ?? []
  const context = joinVectors(seen, [{ actor: sibling.actor, hlc: sibling.hlc }])
  return { key, context, siblings: rank([sibling, ...unseen]) }
}

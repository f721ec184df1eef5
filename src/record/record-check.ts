/**
 * Holds arbitrary bytes against the grammar of a record: what came from a disk or a peer is believed only after this.
 * Lengths are checked before anything that they lead to is read, so no byte beyond the given ones is touched; then the
 * checksum, which covers all but the values; then what a correct writer can never produce although the checksum fits;
 * then the values. Every record has exactly one encoding, so anything out of canonical order is refused as well.
 *
 * A fault is an answer, not an exception: damaged bytes are an expected outcome (and mean "unknown", never "absent").
 * No object is made unless there is a fault, because recovery verifies every record of the log.
 */
import { xxh32 } from '../util/xxhash.js'
import {
  CONTEXT_ENTRY_BYTES,
  HEADER_BYTES,
  KIND_DELETION,
  KIND_VALUE,
  RECORD_FORMAT,
  SIBLING_BYTES,
  contextActor,
  contextCount,
  contextHlc,
  contextStart,
  recordChecksum,
  recordLength,
  siblingActorIndex,
  siblingCount,
  siblingExpireAt,
  siblingHlc,
  siblingKind,
  siblingValueChecksum,
  siblingValueLength,
  siblingsStart,
  valuesStart,
} from './layout.js'

export type RecordFault =
  /** Fewer bytes than the header, or than the header says. */
  | 'truncated'
  | 'unknown-format'
  /** The parts do not add up to the whole. */
  | 'lengths'
  | 'checksum'
  /** Context out of order, or an entry above 2^53. */
  | 'context'
  /** Siblings out of order, not covered by the context, or malformed. */
  | 'siblings'
  | 'value-checksum'

/** Checks the record at `at`, of which `available` bytes may be read: null when it is sound, else what is wrong. */
export function verifyRecord(bytes: Uint8Array, at: number, available: number): RecordFault | null {
  const readable = Math.min(available, bytes.length - at)
  if (readable < HEADER_BYTES) return 'truncated'
  if (bytes[at + 8] !== RECORD_FORMAT) return 'unknown-format'
  const length = recordLength(bytes, at)
  if (length > readable) return 'truncated'
  const head = valuesStart(bytes, at) - at
  if (head > length) return 'lengths'
  if (xxh32(bytes, at + 4, at + head, 0) >>> 0 !== recordChecksum(bytes, at)) return 'checksum'
  if (!contextIsSound(bytes, at)) return 'context'
  if (!siblingsAreSound(bytes, at)) return 'siblings'
  return valuesFault(bytes, at, length)
}

function contextIsSound(bytes: Uint8Array, at: number): boolean {
  const count = contextCount(bytes, at)
  const contextAt = contextStart(bytes, at)
  let previous = -1
  for (let i = 0; i < count; i++) {
    const entryAt = contextAt + i * CONTEXT_ENTRY_BYTES
    const actor = contextActor(bytes, contextAt, i)
    if (actor <= previous || !fitsU53(bytes, entryAt) || !fitsU53(bytes, entryAt + 8)) return false
    if (bytes[entryAt + 7] !== 0 || bytes[entryAt + 15] !== 0) return false
    previous = actor
  }
  return true
}

function siblingsAreSound(bytes: Uint8Array, at: number): boolean {
  const count = siblingCount(bytes, at)
  const contextAt = contextStart(bytes, at)
  let siblingAt = siblingsStart(bytes, at)
  let previousHlc = Infinity
  let previousActor = 0
  for (let i = 0; i < count; i++, siblingAt += SIBLING_BYTES) {
    const index = siblingActorIndex(bytes, siblingAt)
    if (index >= contextCount(bytes, at)) return false
    const hlc = siblingHlc(bytes, siblingAt)
    const actor = contextActor(bytes, contextAt, index)
    if (hlc > contextHlc(bytes, contextAt, index)) return false
    if (hlc > previousHlc || (hlc === previousHlc && actor >= previousActor)) return false
    if (!contentIsSound(bytes, siblingAt)) return false
    previousHlc = hlc
    previousActor = actor
  }
  return true
}

function contentIsSound(bytes: Uint8Array, siblingAt: number): boolean {
  const kind = siblingKind(bytes, siblingAt)
  if (kind === KIND_VALUE) return true
  if (kind !== KIND_DELETION || siblingExpireAt(bytes, siblingAt) !== 0) return false
  return siblingValueLength(bytes, siblingAt) === 0 && siblingValueChecksum(bytes, siblingAt) === 0
}

function valuesFault(bytes: Uint8Array, at: number, length: number): RecordFault | null {
  const count = siblingCount(bytes, at)
  const end = at + length
  let siblingAt = siblingsStart(bytes, at)
  let valueAt = valuesStart(bytes, at)
  for (let i = 0; i < count; i++, siblingAt += SIBLING_BYTES) {
    const valueEnd = valueAt + siblingValueLength(bytes, siblingAt)
    if (valueEnd > end) return 'lengths'
    if (siblingKind(bytes, siblingAt) === KIND_VALUE) {
      const checksum = xxh32(bytes, valueAt, valueEnd, 0) >>> 0
      if (checksum !== siblingValueChecksum(bytes, siblingAt)) return 'value-checksum'
    }
    valueAt = valueEnd
  }
  return valueAt === end ? null : 'lengths'
}

/** Seven bytes can hold more than a safe integer. */
function fitsU53(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 6] < 0x20
}

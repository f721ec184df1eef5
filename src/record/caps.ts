/**
 * How large a record may become. The first three are what the format can hold; the caps on siblings and bytes bind
 * where a dot is minted and nowhere else (RULES V8): the write that would exceed one gets an error, while merging never
 * refuses, because a replica that refused a merge could never converge again.
 *
 * Arithmetic of the byte cap: Redis's largest value is 512 MiB, and 64 MiB leave room for the largest key and any
 * context. Records of up to seven sides of a partition, each at the cap, still merge into one whose length fits u32.
 */

/** Longest key that the format can hold: 24 bits of length. The protocol allows less. */
export const FORMAT_KEY_BYTES_MAX = 2 ** 24 - 1
/** Latest expiry, in milliseconds since 1970: 48 bits, in the year 10889. Redis goes further. */
export const EXPIRE_AT_MAX_MS = 2 ** 48 - 1
/** Most entries of a context, and most siblings that merging can bring together: 16 bits each. */
export const COUNT_MAX = 2 ** 16 - 1
/** Longest record that merging can produce: 32 bits of length. */
export const RECORD_BYTES_MERGED_MAX = 2 ** 32 - 1

/** Most siblings that a minted record may have. */
export const SIBLINGS_MAX = 64
/** Longest record that may be minted. */
export const RECORD_BYTES_MAX = 576 * 2 ** 20

export type CapExceeded = 'too-many-siblings' | 'too-many-bytes'

/** Why a record may not be minted; null when it may. `lengthBytes` is that of the whole record. */
export function capExceeded(
  siblings: number,
  lengthBytes: number,
  lengthBytesMax: number = RECORD_BYTES_MAX,
): CapExceeded | null {
  if (siblings > SIBLINGS_MAX) return 'too-many-siblings'
  return lengthBytes > lengthBytesMax ? 'too-many-bytes' : null
}

/**
 * Every limit of the client protocol, named, in one place, with Redis's counterpart. Whatever a stranger can make this
 * process hold or count is bounded by a constant of this file; README.md has the table with the reasons.
 *
 * A request is judged by the limits of the connection at the moment it is parsed, so a connection that has just
 * authenticated gets the wide ones for the next request of the same pipeline.
 */

const KB = 1024
const MB = 1024 * KB
const GB = 1024 * MB

export interface RequestLimits {
  /** Highest `*count`. More is 'Protocol error: invalid multibulk length' (or its unauthenticated wording). */
  readonly argumentsMax: number
  /** Highest `$length`, in bytes. */
  readonly bulkBytesMax: number
  /** Longest inline request, and longest `*` or `$` line, in bytes without its line end. */
  readonly inlineBytesMax: number
  /** Most bytes that one connection may hold unparsed. */
  readonly queryBufferBytesMax: number
  /** Which wording a request over argumentsMax or bulkBytesMax gets. */
  readonly authenticated: boolean
}

/** PROTO_INLINE_MAX_SIZE. */
export const INLINE_BYTES_MAX = 64 * KB

/** Redis 7.0 accepts INT_MAX; 1024 * 1024 was the limit until 6.2 and is what fits a 1 GB query buffer sensibly. */
export const ARGUMENTS_MAX = 1024 * 1024

/** INT_MAX: up to here Redis words a count that is too high before AUTH 'unauthenticated', above it 'invalid'. */
export const ARGUMENTS_MAX_FOR_WORDING = 0x7fff_ffff

/** proto-max-bulk-len. */
export const BULK_BYTES_MAX_DEFAULT = 512 * MB

/**
 * Highest proto-max-bulk-len that has an effect: nine digits, which keeps the parser's arithmetic inside 32 bits. A bulk
 * much above it would not fit the query buffer either.
 */
export const BULK_BYTES_MAX = 999_999_999

/** client-query-buffer-limit. Also keeps every position in a query buffer inside an Int32Array's range. */
export const QUERY_BUFFER_BYTES_MAX = 1 * GB

/** Redis's limits for connections that still have to authenticate (CVE-2021-32675): `*10`, `$16384`, 1 MB. */
export const UNAUTHENTICATED_LIMITS: RequestLimits = {
  argumentsMax: 10,
  bulkBytesMax: 16 * KB,
  inlineBytesMax: INLINE_BYTES_MAX,
  queryBufferBytesMax: 1 * MB,
  authenticated: false,
}

/** Limits of a connection that may run commands; `protoMaxBulkLenBytes` is the setting proto-max-bulk-len. */
export function authenticatedLimits(protoMaxBulkLenBytes = BULK_BYTES_MAX_DEFAULT): RequestLimits {
  return {
    argumentsMax: ARGUMENTS_MAX,
    bulkBytesMax: Math.min(protoMaxBulkLenBytes, BULK_BYTES_MAX),
    inlineBytesMax: INLINE_BYTES_MAX,
    queryBufferBytesMax: QUERY_BUFFER_BYTES_MAX,
    authenticated: true,
  }
}

/** Longest key. Redis has no limit of its own (512 MB); a key lives in indexes, so this one has to be small. */
export const KEY_BYTES_MAX = 64 * KB

/**
 * Replies of one connection that its peer has not taken. Above the first mark no further request of the connection is
 * run until they have left: a client that pipelines without reading fills its own socket and not our memory. Redis has
 * no such brake, it runs on and, by default (client-output-buffer-limit normal 0 0 0), grows without end.
 */
export const OUTPUT_PAUSE_BYTES = 1 * MB

/** client-output-buffer-limit before AUTH, where only short errors are owed (CVE-2025-21605). */
export const UNAUTHENTICATED_OUTPUT_BUFFER_BYTES_MAX = 16 * KB

/**
 * Error replies that more than one data command gives, as Redis 7.0 words them, code first. Clients and their test
 * suites compare these texts, so none of them is ours to improve.
 */
import { KEY_BYTES_MAX } from '../resp/limits.js'

export const SYNTAX_ERROR = 'ERR syntax error'
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range'
export const NOT_A_FLOAT = 'ERR value is not a valid float'
/** Of commands that only a node of a cluster can answer. */
export const NO_CLUSTER = 'ERR This instance has cluster support disabled'
export const NO_SUCH_KEY = 'ERR no such key'
export const STRING_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
export const OFFSET_OUT_OF_RANGE = 'ERR offset is out of range'

/** Ours: Redis takes keys of up to 512 MB. */
export const KEY_TOO_LONG = `ERR key is too long: at most ${KEY_BYTES_MAX} bytes are allowed`

/** `command` is the name as COMMAND spells it ('set', 'object|encoding'). */
export function invalidExpireTime(command: string): string {
  return `ERR invalid expire time in '${command}' command`
}

export function wrongNumberOfArguments(command: string): string {
  return `ERR wrong number of arguments for '${command}' command`
}

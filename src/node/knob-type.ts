/**
 * The kinds of values that settings have: how each is read from text, printed as CONFIG GET prints it, and described
 * to someone who got it wrong. Every source (defaults, file, flags, CONFIG SET) gives text, so there is one parser.
 *
 * Refusals carry two wordings: `allowed` for start-up ("port: 70000 …, allowed: an integer from 0 to 65535") and
 * Redis's own for CONFIG SET. Texts of sizes are Redis's: k, m, g count in thousands, kb, mb, gb in 1024s.
 */
import { LEVEL_NAMES, levelName, parseLevel } from '../coordinator/consistency.js'
import { parseSavePoints } from './save-points.js'
import { unreachable } from '../util/assert.js'
import { parseWindowTiers, WINDOW_TIERS_ALLOWED } from './window-tiers-text.js'

export type KnobType =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'size'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'yes-no' }
  | { readonly kind: 'text'; readonly minLength: number; readonly maxLength: number }
  | { readonly kind: 'addresses' }
  /** One address; `orNone` also allows an empty text. */
  | { readonly kind: 'address'; readonly orNone: boolean }
  /** What nodes and labels are called; `orNone` also allows an empty text. */
  | { readonly kind: 'name'; readonly orNone: boolean }
  | { readonly kind: 'node-id' }
  /** A consistency level; the value is its name in capitals. */
  | { readonly kind: 'level' }
  | { readonly kind: 'output-limit' }
  /** When snapshots are made: pairs of seconds and changes, in one text. */
  | { readonly kind: 'save-points' }
  /** See window-tiers-text.ts; the value is the text. */
  | { readonly kind: 'window-tiers' }

/** When a client that does not read its replies is closed: at once above hard, after a time above soft. 0 switches off. */
export interface OutputLimit {
  readonly hardBytes: number
  readonly softBytes: number
  readonly softSeconds: number
}

export type KnobValue = number | string | boolean | readonly string[] | OutputLimit

export type ParsedKnob =
  | { readonly kind: 'value'; readonly value: KnobValue }
  | { readonly kind: 'refused'; readonly redisReason: string }

const KB = 1024
const SIZE_UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1000],
  ['kb', KB],
  ['m', 1_000_000],
  ['mb', KB * KB],
  ['g', 1_000_000_000],
  ['gb', KB * KB * KB],
])

/** Bytes of a size as Redis writes it ("64mb", "512k", "100"); undefined when it is none or too large to count. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,16})([a-z]{0,2})$/i.exec(text)
  const unit = match ? SIZE_UNITS.get(match[2].toLowerCase()) : undefined
  if (!match || unit === undefined) return undefined
  const sizeBytes = Number(match[1]) * unit
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined
}

/** The shortest way to write a size with a unit of 1024s: 67108864 is "64mb". */
export function formatSize(sizeBytes: number): string {
  for (const unit of ['gb', 'mb', 'kb']) {
    const factor = SIZE_UNITS.get(unit)!
    if (sizeBytes > 0 && sizeBytes % factor === 0) return `${sizeBytes / factor}${unit}`
  }
  return String(sizeBytes)
}

/** Reads a value of `type` from text. */
export function parseKnob(type: KnobType, text: string): ParsedKnob {
  switch (type.kind) {
    case 'integer':
      return inRange(
        /^-?\d{1,16}$/.test(text) ? Number(text) : undefined,
        type,
        "couldn't be parsed into an integer",
      )
    case 'size':
      return inRange(parseSize(text), type, 'must be a memory value')
    case 'choice': {
      const choice = text.toLowerCase()
      if (type.choices.includes(choice)) return { kind: 'value', value: choice }
      return refused(`argument(s) must be one of the following: ${type.choices.join(', ')}`)
    }
    case 'yes-no': {
      const word = text.toLowerCase()
      if (word !== 'yes' && word !== 'no') return refused("argument must be 'yes' or 'no'")
      return { kind: 'value', value: word === 'yes' }
    }
    case 'text':
      if (text.length >= type.minLength && text.length <= type.maxLength)
        return { kind: 'value', value: text }
      return refused(`argument must be between ${type.minLength} and ${type.maxLength} characters long`)
    case 'addresses':
      return parseAddresses(text)
    case 'address':
      if (isAddress(text) || (text === '' && type.orNone)) return { kind: 'value', value: text }
      return refused('argument must be an address')
    case 'name':
      if (NAME.test(text) || (text === '' && type.orNone)) return { kind: 'value', value: text }
      return refused('argument must be a name')
    case 'node-id':
      if (NODE_ID.test(text)) return { kind: 'value', value: text }
      return refused('argument must be a node id')
    case 'level': {
      const level = parseLevel(text)
      if (level !== undefined) return { kind: 'value', value: levelName(level) }
      return refused(`argument(s) must be one of the following: ${LEVEL_NAMES.join(', ')}`)
    }
    case 'output-limit':
      return parseOutputLimit(text)
    case 'save-points':
      if (parseSavePoints(text) === undefined) return refused('Invalid save parameters')
      return { kind: 'value', value: text.trim().split(/\s+/).join(' ') }
    case 'window-tiers':
      if (parseWindowTiers(text) !== undefined) return { kind: 'value', value: text.trim().toLowerCase() }
      return refused('argument must be a list of window tiers')
    default:
      return unreachable(type)
  }
}

/** A value as CONFIG GET prints it: sizes in bytes, lists joined by a space. */
export function formatKnob(value: KnobValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value !== 'object') return String(value)
  if (isList(value)) return value.join(' ')
  return `normal ${value.hardBytes} ${value.softBytes} ${value.softSeconds}`
}

/** What `type` allows, to end the sentence "allowed: …". */
export function describeAllowed(type: KnobType): string {
  switch (type.kind) {
    case 'integer':
      return `an integer from ${type.min} to ${type.max}`
    case 'size':
      return `a size from ${formatSize(type.min)} to ${formatSize(type.max)}, such as 512k, 64mb or 1gb`
    case 'choice':
      return `one of ${type.choices.join(', ')}`
    case 'yes-no':
      return 'yes or no'
    case 'text':
      return `text of ${type.minLength} to ${type.maxLength} characters`
    case 'addresses':
      return 'one to 16 IP addresses or host names'
    case 'address':
      return `an IP address or a host name${type.orNone ? ', or nothing' : ''}`
    case 'name':
      return `1 to 64 letters, digits, dots, dashes and underscores${type.orNone ? ', or nothing' : ''}`
    case 'node-id':
      return '40 lower-case hexadecimal digits'
    case 'level':
      return `one of ${LEVEL_NAMES.join(', ')}`
    case 'output-limit':
      return 'normal <hard size> <soft size> <soft seconds>, such as "normal 1gb 256mb 60"'
    case 'save-points':
      return 'pairs of seconds and changes, such as "3600 1 300 100", or nothing'
    case 'window-tiers':
      return WINDOW_TIERS_ALLOWED
    default:
      return unreachable(type)
  }
}

function isList(value: readonly string[] | OutputLimit): value is readonly string[] {
  return Array.isArray(value)
}

function refused(redisReason: string): ParsedKnob {
  return { kind: 'refused', redisReason }
}

function inRange(
  value: number | undefined,
  range: { min: number; max: number },
  unreadable: string,
): ParsedKnob {
  if (value === undefined || !Number.isSafeInteger(value)) return refused(`argument ${unreadable}`)
  if (value >= range.min && value <= range.max) return { kind: 'value', value }
  return refused(`argument must be between ${range.min} and ${range.max} inclusive`)
}

const NAME = /^[a-z0-9._-]{1,64}$/i
const NODE_ID = /^[0-9a-f]{40}$/
const ADDRESSES_MAX = 16
const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/
const IPV6 = /^[0-9a-f:]*:[0-9a-f:.]*(%[\w.-]+)?$/i
/** Its last label starts with a letter, so that a mistyped IPv4 address is not taken for a name. */
const HOST_NAME = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/i

export function isAddress(text: string): boolean {
  return IPV4.test(text) || IPV6.test(text) || HOST_NAME.test(text)
}

function parseAddresses(text: string): ParsedKnob {
  const addresses = text.split(/[\s,]+/).filter((address) => address !== '')
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX || !addresses.every(isAddress)) {
    return refused('argument must be a list of addresses')
  }
  return { kind: 'value', value: addresses }
}

/** Redis has classes for replicas and subscribers as well; Kindred has neither, so only `normal` is known. */
function parseOutputLimit(text: string): ParsedKnob {
  const words = text.trim().split(/\s+/)
  if (words.length !== 4) return refused('Wrong number of arguments in buffer limit configuration.')
  if (words[0].toLowerCase() !== 'normal') {
    return refused('Invalid client class specified in buffer limit configuration.')
  }
  const hardBytes = parseSize(words[1])
  const softBytes = parseSize(words[2])
  if (hardBytes === undefined || softBytes === undefined || !/^\d{1,9}$/.test(words[3])) {
    return refused('Error in hard, soft or soft_seconds setting in buffer limit configuration.')
  }
  return { kind: 'value', value: { hardBytes, softBytes, softSeconds: Number(words[3]) } }
}

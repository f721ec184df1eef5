/**
 * The notation in which a row writes a command's arguments, and its parser. One short text serves the README, HELP and
 * COMMAND DOCS alike; Redis keeps the same facts as trees of several lines per argument, which nobody reads.
 *
 *     name          an argument; what it may hold follows from its name (NAMES_BY_TYPE) or is said after a colon: increment:double
 *     WORD          a literal word
 *     WORD name     the literal word, then the argument
 *     [ … ]         optional
 *     ( … )         grouped
 *     a | b         one of them, inside brackets or parentheses
 *     x...          once or several times
 *
 * A bracket that holds a word and two or more arguments ([AUTH username password]) is one block led by that word.
 */
import { assert } from '../../util/assert.js'

export interface Argument {
  readonly name: string
  readonly type: ArgumentType
  /** The literal word in front of it, or that it consists of. */
  readonly token: string | null
  readonly optional: boolean
  readonly multiple: boolean
  /** Of a block, its parts in order; of a oneof, the choices. */
  readonly parts: readonly Argument[]
}

export type ArgumentType =
  'string' | 'integer' | 'double' | 'key' | 'pattern' | 'unix-time' | 'pure-token' | 'oneof' | 'block'

const NAMES_BY_TYPE: Partial<Readonly<Record<ArgumentType, string>>> = {
  key: 'key key1 key2 newkey source destination',
  integer:
    'bit client-id count cursor decrement destination-db end increment index len milliseconds numreplicas offset ' +
    'protover seconds slot start timeout',
  'unix-time': 'unix-time-seconds unix-time-milliseconds',
  pattern: 'pattern',
}

const TYPES: ReadonlyMap<string, ArgumentType> = new Map(
  Object.entries(NAMES_BY_TYPE).flatMap(([type, names]) =>
    names.split(' ').map((name) => [name, type as ArgumentType] as const),
  ),
)

const ANNOTATION = /:(string|integer|double|key|pattern|unix-time)(?![\w-])/g
const WORD = /^[A-Z][A-Z-]*$/

/** Parses a row's syntax. A text that breaks the notation is a bug in the table. */
export function parseSyntax(syntax: string): readonly Argument[] {
  const tokens = syntax.match(/\.\.\.|[[\]()|]|[^\s[\]()|.]+/g) ?? []
  const parser = new SyntaxParser(tokens)
  const parsed = parser.sequence()
  assert(parser.done, `syntax left over: ${syntax}`)
  return parsed
}

/** The syntax as people read it, without the types. */
export function readableSyntax(syntax: string): string {
  return syntax.replace(ANNOTATION, '')
}

class SyntaxParser {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  get done(): boolean {
    return this.#at === this.#tokens.length
  }

  sequence(): Argument[] {
    const parts: Argument[] = []
    while (!this.done && !this.#peeks(']') && !this.#peeks(')') && !this.#peeks('|'))
      parts.push(this.#argument())
    return parts
  }

  #argument(): Argument {
    const token = this.#tokens[this.#at++]
    let argument: Argument
    if (token === '[') argument = { ...this.#group(']'), optional: true }
    else if (token === '(') argument = this.#group(')')
    else if (!WORD.test(token)) argument = leaf(token)
    else if (this.#startsValue()) return { ...this.#argument(), token }
    else argument = simple(token.toLowerCase(), 'pure-token', token)
    if (!this.#peeks('...')) return argument
    this.#at++
    return { ...argument, multiple: true }
  }

  #startsValue(): boolean {
    const next = this.#tokens[this.#at] ?? ']'
    return next === '(' || !(/^[\])|[.]/.test(next) || WORD.test(next))
  }

  #group(close: string): Argument {
    const choices = [oneArgument(this.sequence())]
    while (this.#peeks('|')) {
      this.#at++
      choices.push(oneArgument(this.sequence()))
    }
    assert(this.#tokens[this.#at++] === close, `syntax lacks ${close}`)
    return choices.length === 1 ? choices[0] : compound('oneof', choices, null)
  }

  #peeks(token: string): boolean {
    return this.#tokens[this.#at] === token
  }
}

function leaf(text: string): Argument {
  const [, name, type] = /^(.*?)(?::(string|integer|double|key|pattern|unix-time))?$/.exec(text) ?? []
  return simple(name, (type as ArgumentType | undefined) ?? TYPES.get(name) ?? 'string', null)
}

function oneArgument(parts: Argument[]): Argument {
  assert(parts.length > 0, 'syntax has an empty group')
  if (parts.length === 1) return parts[0]
  const [head, ...rest] = parts
  const leads = head.token !== null && head.type !== 'pure-token' && rest.every((part) => part.token === null)
  return leads
    ? compound('block', [{ ...head, token: null }, ...rest], head.token)
    : compound('block', parts, null)
}

function compound(type: 'oneof' | 'block', parts: Argument[], token: string | null): Argument {
  return { ...simple(parts.map((part) => part.name).join('_'), type, token), parts }
}

function simple(name: string, type: ArgumentType, token: string | null): Argument {
  return { name, type, token, optional: false, multiple: false, parts: [] }
}

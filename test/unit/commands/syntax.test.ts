import t from 'tap'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import { parseSyntax, readableSyntax } from '../../../src/commands/table/syntax.js'
import type { Argument } from '../../../src/commands/table/syntax.js'

/** An argument in one line, so that the expectations can be read. */
function shape(argument: Argument): string {
  const { name, type, token, optional, multiple, parts } = argument
  const inner = parts.length > 0 ? `(${parts.map(shape).join(' ')})` : name
  const text = `${token === null ? '' : `${token}=`}${type}:${inner}${multiple ? '...' : ''}`
  return optional ? `[${text}]` : text
}

function shapes(syntax: string): string {
  return parseSyntax(syntax).map(shape).join(' ')
}

t.test('names carry their type, and may be given another', async (t) => {
  t.equal(shapes('key value'), 'key:key string:value')
  t.equal(shapes('key increment'), 'key:key integer:increment')
  t.equal(shapes('key increment:double'), 'key:key double:increment')
  t.equal(shapes('ip:port'), 'string:ip:port')
})

t.test('capitals are literal words, alone or in front of a value', async (t) => {
  t.equal(shapes('[REPLACE]'), '[REPLACE=pure-token:replace]')
  t.equal(shapes('[MATCH pattern] [COUNT count]'), '[MATCH=pattern:pattern] [COUNT=integer:count]')
  t.equal(shapes('[LEN] [IDX]'), '[LEN=pure-token:len] [IDX=pure-token:idx]')
})

t.test('brackets and bars make options and choices', async (t) => {
  t.equal(shapes('(ON | OFF)'), 'oneof:(ON=pure-token:on OFF=pure-token:off)')
  t.equal(shapes('[EX seconds | KEEPTTL]'), '[oneof:(EX=integer:seconds KEEPTTL=pure-token:keepttl)]')
  t.equal(
    shapes('[start [end [BYTE | BIT]]]'),
    '[block:(integer:start [block:(integer:end [oneof:(BYTE=pure-token:byte BIT=pure-token:bit)])])]',
  )
})

t.test('dots repeat an argument or a group', async (t) => {
  t.equal(shapes('key...'), 'key:key...')
  t.equal(shapes('(key value)...'), 'block:(key:key string:value)...')
})

t.test('a word in front of several arguments of a bracket leads all of them', async (t) => {
  t.equal(shapes('[AUTH username password]'), '[AUTH=block:(string:username string:password)]')
  t.equal(shapes('[key LIMIT count]'), '[block:(key:key LIMIT=integer:count)]')
})

t.test('every row of the table parses, and a broken notation does not', async (t) => {
  for (const row of COMMAND_ROWS.flatMap((row) => [row, ...(row.subcommands ?? [])])) {
    t.doesNotThrow(() => parseSyntax(row.syntax), row.name)
  }
  for (const broken of ['[a', 'a]', '(a | )', '[]']) t.throws(() => parseSyntax(broken), broken)
})

t.test('people see the syntax without the types', async (t) => {
  t.equal(readableSyntax('key increment:double [ip:port]'), 'key increment [ip:port]')
})

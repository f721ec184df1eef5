/**
 * COMMAND DOCS: summary, version, group, complexity and arguments of a command as nested maps. redis-cli asks for all of
 * them when it starts and shows them as hints while one types.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { words } from './command.js'
import type { Command } from './command.js'
import type { CommandRow } from './table/command-row.js'
import { parseSyntax } from './table/syntax.js'
import type { Argument } from './table/syntax.js'

export function writeCommandDocs(reply: ReplyWriter, command: Command): void {
  const { row } = command
  const syntax = parseSyntax(row.syntax)
  const subcommands = command.subcommands?.commands ?? []
  const docFlags = docFlagsOf(row)
  const deprecated = row.deprecated === undefined ? 0 : 2
  reply.map(4 + deprecated + present(docFlags) + present(syntax) + present(subcommands))
  writeText(reply, 'summary', row.summary)
  writeText(reply, 'since', row.since)
  writeText(reply, 'group', row.group)
  writeText(reply, 'complexity', row.complexity)
  writeFlags(reply, 'doc_flags', docFlags)
  if (row.deprecated !== undefined) {
    writeText(reply, 'deprecated_since', row.deprecated.since)
    writeText(reply, 'replaced_by', row.deprecated.replacedBy)
  }
  if (syntax.length > 0) writeArguments(reply, syntax, new KeySpecCounter(row))
  if (subcommands.length > 0) writeSubcommands(reply, subcommands)
}

function writeText(reply: ReplyWriter, name: string, text: string): void {
  reply.bulkText(name)
  reply.bulkText(text)
}

function docFlagsOf(row: CommandRow): readonly string[] {
  const flags = words(row.docFlags ?? '')
  return row.deprecated === undefined ? flags : [...flags, 'deprecated']
}

function writeSubcommands(reply: ReplyWriter, subcommands: readonly Command[]): void {
  reply.bulkText('subcommands')
  reply.map(subcommands.length)
  for (const subcommand of subcommands) {
    reply.bulkText(subcommand.name)
    writeCommandDocs(reply, subcommand)
  }
}

/** Numbers the keys of a command: each belongs to the key specification of its rank, or to the last one. */
class KeySpecCounter {
  readonly #specs: number
  #next = 0

  constructor(row: CommandRow) {
    this.#specs = row.keys?.length ?? 0
  }

  take(): number {
    return Math.min(this.#next++, Math.max(0, this.#specs - 1))
  }
}

function writeArguments(reply: ReplyWriter, parts: readonly Argument[], keySpecs: KeySpecCounter): void {
  reply.bulkText('arguments')
  reply.array(parts.length)
  for (const part of parts) writeArgument(reply, part, keySpecs)
}

function writeArgument(reply: ReplyWriter, argument: Argument, keySpecs: KeySpecCounter): void {
  const { name, type, token, parts } = argument
  const flags = [...(argument.optional ? ['optional'] : []), ...(argument.multiple ? ['multiple'] : [])]
  const isKey = type === 'key'
  reply.map(2 + (isKey ? 1 : 0) + (token === null ? 0 : 1) + present(flags) + present(parts))
  writeText(reply, 'name', name)
  writeText(reply, 'type', type)
  if (isKey) {
    reply.bulkText('key_spec_index')
    reply.integer(keySpecs.take())
  }
  if (token !== null) writeText(reply, 'token', token)
  writeFlags(reply, 'flags', flags)
  if (parts.length > 0) writeArguments(reply, parts, keySpecs)
}

function writeFlags(reply: ReplyWriter, name: string, flags: readonly string[]): void {
  if (flags.length === 0) return
  reply.bulkText(name)
  reply.set(flags.length)
  for (const flag of flags) reply.simple(flag)
}

function present(items: readonly unknown[]): number {
  return items.length > 0 ? 1 : 0
}

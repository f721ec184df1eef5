/**
 * COMMAND and COMMAND INFO: a command as Redis 7.0 describes it to clients and proxies, ten fields in fixed order: name,
 * arity, flags, first key, last key, step, ACL categories, tips, key specifications, subcommands.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { words } from './command.js'
import type { Command } from './command.js'
import type { KeySpec } from './table/command-row.js'

const FIELDS = 10

export function writeCommandInfo(reply: ReplyWriter, command: Command): void {
  reply.array(FIELDS)
  reply.bulkText(command.name)
  reply.integer(command.arity)
  writeStatusSet(reply, command.flags)
  reply.integer(command.firstKey)
  reply.integer(command.lastKey)
  reply.integer(command.keyStep)
  writeStatusSet(
    reply,
    command.categories.map((category) => `@${category}`),
  )
  const tips = words(command.row.tips ?? '')
  reply.set(tips.length)
  for (const tip of tips) reply.bulkText(tip)
  const specs = command.row.keys ?? []
  reply.set(specs.length)
  for (const spec of specs) writeKeySpec(reply, spec)
  const subcommands = command.subcommands?.commands ?? []
  reply.set(subcommands.length)
  for (const subcommand of subcommands) writeCommandInfo(reply, subcommand)
}

export function writeStatusSet(reply: ReplyWriter, texts: readonly string[]): void {
  reply.set(texts.length)
  for (const text of texts) reply.simple(text)
}

function writeKeySpec(reply: ReplyWriter, spec: KeySpec): void {
  reply.map(spec.note === undefined ? 3 : 4)
  if (spec.note !== undefined) {
    reply.bulkText('notes')
    reply.bulkText(spec.note)
  }
  reply.bulkText('flags')
  writeStatusSet(reply, words(spec.flags))
  reply.bulkText('begin_search')
  writeSearch(reply, 'index', [['index', spec.first]])
  reply.bulkText('find_keys')
  writeSearch(reply, 'range', [
    ['lastkey', spec.last ?? 0],
    ['keystep', spec.step ?? 1],
    ['limit', 0],
  ])
}

function writeSearch(
  reply: ReplyWriter,
  type: string,
  facts: readonly (readonly [name: string, value: number])[],
): void {
  reply.map(2)
  reply.bulkText('type')
  reply.bulkText(type)
  reply.bulkText('spec')
  reply.map(facts.length)
  for (const [name, value] of facts) {
    reply.bulkText(name)
    reply.integer(value)
  }
}

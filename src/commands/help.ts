/**
 * The HELP subcommand of every container, from the table: one line with the subcommand and its arguments, one with what
 * it does, in the shape in which Redis prints its own.
 */
import { DONE } from './request.js'
import type { Handler } from './request.js'
import type { CommandRow } from './table/command-row.js'
import { readableSyntax } from './table/syntax.js'

export function helpHandler(container: CommandRow): Handler {
  const lines = helpLines(container)
  return ({ reply }) => {
    reply.array(lines.length)
    for (const line of lines) reply.simple(line)
    return DONE
  }
}

export function helpLines(container: CommandRow): readonly string[] {
  const name = container.name.toUpperCase()
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`]
  for (const subcommand of container.subcommands ?? []) {
    const usage = `${subcommand.name.toUpperCase()} ${readableSyntax(subcommand.syntax)}`
    lines.push(usage.trimEnd(), `    ${subcommand.summary}`)
  }
  return lines
}

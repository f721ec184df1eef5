/**
 * The command list of the README, rendered from the table: one Markdown table per group, in the table's order, a
 * container's subcommands below it.
 */
import type { CommandGroup, CommandRow } from './table/command-row.js'
import { readableSyntax } from './table/syntax.js'

const GROUP_TITLES: Readonly<Record<CommandGroup, string>> = {
  string: 'Values',
  bitmap: 'Bits',
  generic: 'Keys',
  transactions: 'Transactions',
  connection: 'Connections',
  server: 'The node',
  scripting: 'Scripting',
  cluster: 'Cluster',
}

/** Markdown without a heading of its own, ending in a line break. */
export function renderCommandList(rows: readonly CommandRow[]): string {
  const groups = Object.entries(GROUP_TITLES).map(([group, title]) => {
    const members = rows.filter((row) => row.group === group)
    return members.length === 0
      ? ''
      : `**${title}**\n\n| command | what it does |\n|---|---|\n${members.map(lines).join('')}`
  })
  return groups.filter((text) => text !== '').join('\n')
}

function lines(row: CommandRow): string {
  if (row.subcommands === undefined) return line(row.name, row)
  const own = row.arity === -1 ? line(row.name, row) : ''
  const listed = row.subcommands.filter((subcommand) => subcommand.name !== 'help')
  return own + listed.map((subcommand) => line(`${row.name} ${subcommand.name}`, subcommand)).join('')
}

function line(name: string, row: CommandRow): string {
  const usage = `${name.toUpperCase()} ${readableSyntax(row.syntax)}`.trimEnd().replaceAll('|', '\\|')
  return `| \`${usage}\` | ${row.summary} |\n`
}

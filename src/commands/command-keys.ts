/**
 * Which arguments of a request are keys, and what the command does to them: COMMAND GETKEYS. Everything follows from the
 * key specifications of the table, except that SET reads the old value only when it is given GET.
 */
import type { Command } from './command.js'
import { words } from './command.js'
import type { KeySpec } from './table/command-row.js'

export interface KeyUse {
  /** The argument's number; 0 is the command's name. */
  readonly index: number
  readonly flags: readonly string[]
}

/** The keys of a request of `argc` arguments; `argument(i)` is argument i. Null when they do not reach a key. */
export function keysOf(
  command: Command,
  argc: number,
  argument: (index: number) => string,
): readonly KeyUse[] | null {
  const uses: KeyUse[] = []
  for (const spec of command.row.keys ?? []) {
    const last = spec.last ?? 0
    const end = last < 0 ? argc + last : spec.first + last
    if (spec.first >= argc || end >= argc) return null
    const flags = flagsOf(command, spec, argc, argument)
    for (let index = spec.first; index <= end; index += spec.step ?? 1) uses.push({ index, flags })
  }
  return uses
}

function flagsOf(
  command: Command,
  spec: KeySpec,
  argc: number,
  argument: (index: number) => string,
): readonly string[] {
  const flags = words(spec.flags)
  if (!flags.includes('variable_flags')) return flags
  for (let i = 3; i < argc; i++) {
    const option = argument(i).toUpperCase()
    if (option === 'GET' || option === 'IFEQ') return flags.filter((flag) => flag !== 'variable_flags')
  }
  return command.isWrite ? ['OW', 'update'] : flags
}

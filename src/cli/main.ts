/** The command line: picks the subcommand and answers its exit code. bin/kindred calls it. */
import { readFileSync } from 'node:fs'
import { nearestName } from '../node/nearest-name.js'
import { helpFor, OVERVIEW } from './help.js'
import { terminal } from './output.js'
import type { Output } from './output.js'

type Command = (args: readonly string[], output: Output) => Promise<number>

/** Loaded when they are used: `help` and `status` should not pay for loading the whole node. */
const COMMANDS = new Map<string, () => Promise<Command>>([
  ['up', async () => (await import('./up-command.js')).upCommand],
  ['server', async () => (await import('./server-command.js')).serverCommand],
  ['status', async () => (await import('./status-command.js')).statusCommand],
  ['inspect', async () => (await import('./inspect-command.js')).inspectCommand],
  ['restamp', async () => (await import('./restamp-command.js')).restampCommand],
  ['repair', async () => (await import('./repair-command.js')).repairCommand],
  ['snapshot', async () => (await import('./snapshot-command.js')).snapshotCommand],
  ['restore', async () => (await import('./restore-command.js')).restoreCommand],
  ['import', async () => (await import('./import-command.js')).importCommand],
  ['help', () => Promise.resolve(helpCommand)],
])

/** Runs `kindred <args>`; resolves with the exit code. */
export async function main(args: readonly string[], output: Output = terminal): Promise<number> {
  const [name = 'help', ...rest] = args
  if (name === '--version' || name === '-v') {
    output.out(`kindred ${packageVersion()}`)
    return 0
  }
  if (name === '--help' || name === '-h') return helpCommand(rest, output)
  const load = COMMANDS.get(name)
  if (load === undefined) return unknownCommand(name, output)
  const command = await load()
  return command(rest, output)
}

async function helpCommand(args: readonly string[], output: Output): Promise<number> {
  const help = args.length === 0 ? OVERVIEW : helpFor(args[0])
  if (help === undefined) return unknownCommand(args[0], output)
  output.out(help)
  return 0
}

function unknownCommand(name: string, output: Output): number {
  const meant = nearestName(name, [...COMMANDS.keys()])
  const guess = meant === undefined ? '' : `; did you mean "kindred ${meant}"?`
  output.error(`kindred: no command "${name}"${guess}`)
  output.error('"kindred help" lists the commands.')
  return 1
}

function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

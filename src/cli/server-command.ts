/** `kindred server`: one node with the settings given, its log on standard output. */
import { printHelp } from './help.js'
import { parseNodeArguments } from './node-arguments.js'
import { nodeConfiguration } from './node-configuration.js'
import type { Output } from './output.js'
import { runNode } from './run-node.js'

export async function serverCommand(args: readonly string[], output: Output): Promise<number> {
  const parsed = parseNodeArguments(args)
  if (parsed.helpWanted) return printHelp('server', output)
  const configuration = nodeConfiguration(parsed, [])
  if (configuration.kind === 'refused') return refuse(configuration.problems, 'server', output)
  return runNode(configuration.config, { logToStandardError: false, onServing: () => {} }, output)
}

/** Lists what is wrong with the settings; nothing was started. */
export function refuse(problems: readonly string[], command: string, output: Output): number {
  output.error(
    problems.length === 1
      ? 'kindred: a setting is wrong:'
      : `kindred: ${problems.length} settings are wrong:`,
  )
  for (const problem of problems) output.error(`  ${problem}`)
  output.error(`"kindred help ${command}" lists all settings.`)
  return 1
}

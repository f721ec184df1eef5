/** `kindred inspect`: prints a file of a data directory, whichever kind it is by its name, and says where it is damaged. */
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import type { Disk } from '../env/disk.js'
import { NodeClock } from '../env/node-clock.js'
import { NodeDisk } from '../env/node-disk.js'
import { inspectLog } from '../storage/log/inspect-log.js'
import { inspectTable } from '../storage/table/inspect-table.js'
import { windowLines } from './window-lines.js'
import { countsLines, manifestLines, treesLines } from './manifest-lines.js'
import type { Output } from './output.js'
import { printHelp } from './help.js'

export interface InspectOptions {
  /** Also a line per entry. */
  readonly entries: boolean
}

type Inspector = (disk: Disk, path: string, options: InspectOptions) => Iterable<string>

const OPTIONS = {
  entries: { type: 'boolean', short: 'e', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export async function inspectCommand(args: readonly string[], output: Output): Promise<number> {
  const parsed = parse(args)
  if (typeof parsed === 'string') return refuse(parsed, output)
  if (parsed.help) return printHelp('inspect', output)
  if (parsed.files.length === 0) return refuse('inspect needs the path of a file', output)
  if (parsed.files[0] === 'windows') return inspectWindows(parsed.files.slice(1), output)
  let failures = 0
  for (const path of parsed.files) if (!inspectFile(path, parsed, output)) failures++
  return failures === 0 ? 0 : 1
}

function parse(args: readonly string[]): { files: string[]; entries: boolean; help: boolean } | string {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    return { ...values, files: positionals }
  } catch (error) {
    return (error as Error).message
  }
}

function refuse(problem: string, output: Output): number {
  output.error(`kindred: ${problem}`)
  output.error('"kindred help inspect" lists the options.')
  return 1
}

function inspectWindows(directories: readonly string[], output: Output): number {
  if (directories.length === 0) return refuse('inspect windows needs the path of a data directory', output)
  const nowMs = new NodeClock(true).wallMs()
  let failures = 0
  for (const directory of directories) {
    try {
      for (const line of windowLines(new NodeDisk(), directory, nowMs)) output.out(line)
    } catch (error) {
      failures++
      output.error(`kindred: ${directory}: ${(error as Error).message}`)
    }
  }
  return failures === 0 ? 0 : 1
}

/** False when the file cannot be read or is damaged. */
function inspectFile(path: string, options: InspectOptions, output: Output): boolean {
  const inspector = inspectorFor(path)
  if (inspector === undefined) {
    output.error(
      `kindred: ${path}: not a file of a data directory (*.log, *.table, *.counts, *.trees or MANIFEST, by its name)`,
    )
    return false
  }
  try {
    for (const line of inspector(new NodeDisk(), path, options)) output.out(line)
    return true
  } catch (error) {
    output.error(`kindred: ${path}: ${(error as Error).message}`)
    return false
  }
}

/** By the end of the name, so that a copy under another name can be looked at too. */
const INSPECTORS: readonly (readonly [RegExp, Inspector])[] = [
  [/\.log$/, inspectLog],
  [/\.table$/, inspectTable],
  [/\.counts$/, countsLines],
  [/\.trees$/, treesLines],
  [/^MANIFEST/, manifestLines],
]

function inspectorFor(path: string): Inspector | undefined {
  const name = basename(path)
  return INSPECTORS.find(([pattern]) => pattern.test(name))?.[1]
}

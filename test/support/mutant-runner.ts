/**
 * Runs broken variants of the product (src/sim/mutants) in the simulator until a checker complains: each on a copy of the compiled
 * files of its own, in a process of its own.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mutant } from '../../src/sim/mutants/mutant.js'

export interface MutantOutcome {
  readonly mutant: Mutant
  /** The seed that showed it; null when none of them did. */
  readonly seed: number | null
  /** Who complained, and of what. */
  readonly checkers: readonly string[]
  readonly first: string
  readonly runs: number
}

interface RunLine {
  readonly seed: number
  readonly ok: boolean
  readonly checkers: readonly string[]
  readonly first: string
}

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** `from`: the first seed; at most `seeds` are run. Throws when a text of the variant does not stand exactly once. */
export async function runMutant(mutant: Mutant, from: number, seeds: number): Promise<MutantOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-mutant-'))
  try {
    cpSync(join(root, 'dist/src'), join(folder, 'dist/src'), { recursive: true })
    cpSync(join(root, 'package.json'), join(folder, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    patch(folder, mutant)
    const lines = await runsOf(folder, [
      ...['--from', String(from), '--seeds', String(seeds), '--profile', mutant.profile],
      ...(mutant.seconds === undefined ? [] : ['--seconds', String(mutant.seconds)]),
    ])
    const failed = lines.find(({ ok }) => !ok)
    return {
      mutant,
      seed: failed?.seed ?? null,
      checkers: failed?.checkers ?? [],
      first: failed?.first ?? '',
      runs: lines.length,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes the variant's changes to the files below `folder`/dist/src. */
export function patch(folder: string, mutant: Mutant): void {
  for (const { file, find, replace } of mutant.edits) {
    const path = join(folder, 'dist/src', file)
    const parts = readFileSync(path, 'utf8').split(find)
    if (parts.length !== 2) {
      throw new Error(`${mutant.name}: its text stands ${parts.length - 1} times in ${file}: ${find}`)
    }
    writeFileSync(path, parts.join(replace))
  }
}

function runsOf(folder: string, args: readonly string[]): Promise<RunLine[]> {
  const main = join(folder, 'dist/src/sim/main.js')
  const child = spawn(process.execPath, [main, '--json', '--until-failure', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      const lines = output.split('\n').filter((line) => line.startsWith('{'))
      if (lines.length === 0) reject(new Error(`no run ended: ${errors}`))
      else resolve(lines.map((line) => JSON.parse(line) as RunLine))
    })
  })
}

/** Prints a benchmark's outcome: once as a table for the terminal, once as Markdown for a README. */
import { textTable } from '../../src/cli/text-table.js'
import { COMPARISON_HEADER, comparisonRow } from './comparison.js'
import type { Comparison } from './comparison.js'

export interface Report {
  readonly rows: readonly Comparison[]
  /** Sentences under the table: what was loaded, side figures, what was not run and why. */
  readonly notes: readonly string[]
}

export function printReport(name: string, command: string, facts: readonly string[], report: Report): void {
  const rows = report.rows.map(comparisonRow)
  const notes = [...report.notes, ...facts]
  console.log(`\n${name}\n`)
  for (const line of textTable(COMPARISON_HEADER, rows)) console.log(line)
  console.log(`\n${notes.map((note) => `- ${note}`).join('\n')}\n`)
  console.log('As Markdown:\n')
  console.log(`\`${command}\`\n`)
  for (const line of [COMPARISON_HEADER, COMPARISON_HEADER.map(() => '---'), ...rows]) {
    console.log(`| ${line.join(' | ')} |`)
  }
  console.log(`\n${notes.map((note) => `- ${note}`).join('\n')}`)
}

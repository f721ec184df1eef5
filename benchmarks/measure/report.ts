/** Prints a benchmark's outcome: once as a table for the terminal, once as Markdown for a README. */
import { textTable } from '../../src/cli/text-table.js'
import { COMPARISON_HEADER, comparisonRow } from './comparison.js'
import type { Comparison } from './comparison.js'

/** A table beside the comparisons, such as a series over time. */
export interface ReportTable {
  readonly title: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Report {
  readonly rows: readonly Comparison[]
  readonly tables?: readonly ReportTable[]
  /** Sentences under the table: what was loaded, side figures, what was not run and why. */
  readonly notes: readonly string[]
}

export function printReport(name: string, command: string, facts: readonly string[], report: Report): void {
  const tables = [
    { title: '', header: COMPARISON_HEADER, rows: report.rows.map(comparisonRow) },
    ...(report.tables ?? []),
  ]
  const notes = [...report.notes, ...facts].map((note) => `- ${note}`).join('\n')
  console.log(`\n${name}\n`)
  for (const { title, header, rows } of tables) {
    if (title !== '') console.log(`\n${title}\n`)
    for (const line of textTable(header, rows)) console.log(line)
  }
  console.log(`\n${notes}\n`)
  console.log('As Markdown:\n')
  console.log(`\`${command}\`\n`)
  for (const table of tables) console.log(markdown(table))
  console.log(notes)
}

function markdown({ title, header, rows }: ReportTable): string {
  const lines = [header, header.map(() => '---'), ...rows].map((line) => `| ${line.join(' | ')} |`)
  return `${title === '' ? '' : `${title}:\n\n`}${lines.join('\n')}\n`
}

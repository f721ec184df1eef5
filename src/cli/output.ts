/** Where the command line writes; tests give their own. */
export interface Output {
  out(line: string): void
  error(line: string): void
}

export const terminal: Output = {
  out: (line) => void process.stdout.write(`${line}\n`),
  error: (line) => void process.stderr.write(`${line}\n`),
}

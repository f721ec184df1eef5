/** Runs a program to its end, with bytes for its standard input and a deadline. */
import { spawn } from 'node:child_process'

export interface ProgramResult {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

export interface ProgramOptions {
  readonly input?: Buffer | string
  /** Sends SIGINT once the output has this; for programs that never end by themselves. */
  readonly interruptAfter?: RegExp
  readonly deadlineMs?: number
}

/** Rejects when the program cannot be started or is not done by the deadline (and ends it then). */
export function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { input, interruptAfter, deadlineMs = 60_000 } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let out = ''
    let error = ''
    let interrupted = false
    const deadline = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${program} ${args.join(' ')} not done after ${deadlineMs} ms:\n${out}${error}`))
    }, deadlineMs)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      if (interrupted || interruptAfter === undefined || !interruptAfter.test(out)) return
      interrupted = true
      child.kill('SIGINT')
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text))
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(deadline)
      resolve({ code, out, error })
    })
    // A program that ends early does not read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

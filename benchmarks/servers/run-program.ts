/** Runs a program to its end and answers what it printed; it is stopped with the benchmark. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { track } from './cleanup.js'

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

/** Rejects when the program cannot be started, fails, or takes longer than `timeoutMs`. */
export async function runProgram(
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const running = promisify(execFile)(program, [...args], { timeout: timeoutMs, maxBuffer: OUTPUT_BYTES_MAX })
  track(running.child)
  return running
}

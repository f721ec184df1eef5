/** Starts the open-loop generator in a process of its own: it must not share an event loop with anything. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { track } from '../servers/cleanup.js'
import type { OpenLoopOptions, OpenLoopResult } from './open-loop.js'

const ENTRY = fileURLToPath(new URL('./open-loop-entry.js', import.meta.url))
const GRACE_MS = 60_000

export async function generate(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const timeout = (options.warmUpSeconds + options.seconds) * 1000 + GRACE_MS
  const running = promisify(execFile)(process.execPath, [ENTRY, JSON.stringify(options)], { timeout })
  track(running.child)
  const { stdout } = await running
  return JSON.parse(stdout) as OpenLoopResult
}

/**
 * What a benchmark has started and must not leave behind: processes by their pid, and temporary folders. Everything is
 * let go of at the end of the process, however it ends.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const children = new Set<ChildProcess>()
const folders = new Set<string>()

export function cleanUpAtExit(): void {
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  })
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))
}

/** Killed at the end unless it ended before. */
export function track(child: ChildProcess): void {
  children.add(child)
  child.once('exit', () => children.delete(child))
}

/** A new folder under `parent`, removed at the end. */
export function temporaryFolder(parent: string, name: string): string {
  const folder = mkdtempSync(join(parent, `kindred-bench-${name}-`))
  folders.add(folder)
  return folder
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  folders.delete(folder)
}

/**
 * Holds a process to so much memory, what the system caches for it included, by a memory cgroup of its own (Linux, root). Without
 * it the page cache of a large machine would hide what a store does when its data are larger than memory.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Version 1 mounts a folder for each resource, version 2 one for all. */
const ROOTS = [
  { folder: '/sys/fs/cgroup/memory', sign: 'memory.limit_in_bytes', limit: 'memory.limit_in_bytes' },
  { folder: '/sys/fs/cgroup', sign: 'cgroup.controllers', limit: 'memory.max' },
] as const

export interface MemoryLimit {
  /** Once the process has ended. */
  remove(): void
}

let made = 0

/** Why memory can't be limited here, or null. */
export function memoryLimitRefusal(): string | null {
  try {
    rmdirSync(makeGroup().folder)
    return null
  } catch (error) {
    return `memory is not limited: ${(error as Error).message}`
  }
}

/** From now on what the process allocates, and reads from files, counts. Throws where memoryLimitRefusal() has a reason. */
export function limitMemory(pid: number, bytes: number): MemoryLimit {
  const { folder, limit } = makeGroup()
  writeFileSync(join(folder, limit), String(bytes))
  writeFileSync(join(folder, 'cgroup.procs'), String(pid))
  return { remove: () => rmdirSync(folder) }
}

function makeGroup(): { readonly folder: string; readonly limit: string } {
  const root = ROOTS.find(({ folder, sign }) => existsSync(join(folder, sign)))
  if (root === undefined) throw new Error('there are no memory cgroups')
  const folder = join(root.folder, `kindred-bench-${process.pid}-${made++}`)
  mkdirSync(folder)
  return { folder, limit: root.limit }
}

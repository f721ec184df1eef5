/**
 * Lets a worker thread stand back for the event loop. Flushes and compactions want a core for seconds at a time; without
 * this a request that arrives meanwhile waits for a scheduler's slice of some milliseconds wherever there are more busy threads
 * than cores. Linux keeps a nice value per thread and takes a thread's id for a process's (setpriority(2), "C
 * library/kernel differences"); on other systems the thread stays as it is.
 */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/**
 * About a sixth of an event loop's weight for the scheduler. Storage threads that fall behind all the same slow writers down
 * (Maintenance.writeDelayMs), which gives them the core.
 */
export const BACKGROUND_NICE = 8

/** Lowers the priority of the calling thread, as far as the system allows. */
export function standBack(): void {
  const threadId = ownThreadId()
  if (threadId === null) return
  try {
    setPriority(threadId, BACKGROUND_NICE)
  } catch {
    // Refused, by a sandbox say: the thread works at the priority it has.
  }
}

/** The kernel's number of the calling thread; null where the system has no such file. */
function ownThreadId(): number | null {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1))
  } catch {
    return null
  }
}

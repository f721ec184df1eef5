/** ProcessFacts of the process that this code runs in. */
import { readFileSync } from 'node:fs'
import { arch, release, totalmem, type } from 'node:os'
import type { ProcessFacts, ProcessMemory } from './process-facts.js'

export class NodeProcessFacts implements ProcessFacts {
  readonly processId = process.pid
  readonly operatingSystem = `${type()} ${release()} ${arch()}`

  memory(): ProcessMemory {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    return {
      residentBytes: rss,
      peakResidentBytes: process.resourceUsage().maxRSS * 1024,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      systemTotalBytes: totalmem(),
    }
  }

  /** Node raises its soft limit to the hard one at its start; only Linux lets a process read it without a call of its own. */
  openFilesMax(): number | null {
    try {
      const limits = readFileSync('/proc/self/limits', 'latin1')
      const soft = /^Max open files +(\d+) /m.exec(limits)
      return soft === null ? null : Number(soft[1])
    } catch {
      return null
    }
  }

  cpu(): { userSeconds: number; systemSeconds: number } {
    const { user, system } = process.cpuUsage()
    return { userSeconds: user / 1e6, systemSeconds: system / 1e6 }
  }
}

/** ProcessFacts of the process that this code runs in. */
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

  cpu(): { userSeconds: number; systemSeconds: number } {
    const { user, system } = process.cpuUsage()
    return { userSeconds: user / 1e6, systemSeconds: system / 1e6 }
  }
}

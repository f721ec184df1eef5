/** What INFO says about the process and the machine, behind an interface so that simulated nodes have their own. */
export interface ProcessFacts {
  readonly processId: number
  /** 'Linux 6.1.0 x64' */
  readonly operatingSystem: string
  memory(): ProcessMemory
  /** How many files and sockets the process may have open; null where that cannot be told. */
  openFilesMax(): number | null
  /** User and system CPU seconds since the process started. */
  cpu(): { userSeconds: number; systemSeconds: number }
}

export interface ProcessMemory {
  readonly residentBytes: number
  readonly peakResidentBytes: number
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  readonly externalBytes: number
  readonly systemTotalBytes: number
}

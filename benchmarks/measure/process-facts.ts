/** What Linux counts of a process, read from /proc: CPU time, resident memory, bytes handed to write(2). */
import { readFileSync } from 'node:fs'

/** USER_HZ, which /proc counts in, is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const USER_TICKS = 11
const SYSTEM_TICKS = 12
const CHILD_USER_TICKS = 13
const CHILD_SYSTEM_TICKS = 14

export interface CpuSeconds {
  /** All threads, and children that have ended (Redis's rewrites). */
  readonly all: number
  /** The first thread: the event loop. */
  readonly mainThread: number
}

export function cpuSeconds(pid: number): CpuSeconds {
  const whole = statFields(`/proc/${pid}/stat`)
  const main = statFields(`/proc/${pid}/task/${pid}/stat`)
  const all = whole[USER_TICKS] + whole[SYSTEM_TICKS] + whole[CHILD_USER_TICKS] + whole[CHILD_SYSTEM_TICKS]
  return {
    all: all / TICKS_PER_SECOND,
    mainThread: (main[USER_TICKS] + main[SYSTEM_TICKS]) / TICKS_PER_SECOND,
  }
}

/** Fields after the command's name, which may hold spaces. */
function statFields(path: string): number[] {
  const text = readFileSync(path, 'latin1')
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

export interface ResidentBytes {
  readonly now: number
  readonly peak: number
}

export function residentBytes(pid: number): ResidentBytes {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1')
  return { now: field(text, 'VmRSS') * 1024, peak: field(text, 'VmHWM') * 1024 }
}

/** Bytes that all threads of the process have passed to write(2) and its kin since it started. */
export function bytesWritten(pid: number): number {
  return field(readFileSync(`/proc/${pid}/io`, 'latin1'), 'wchar')
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)
  if (match === null) throw new Error(`/proc does not tell ${name}`)
  return Number(match[1])
}

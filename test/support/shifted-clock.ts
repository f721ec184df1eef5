/**
 * The wall clock of a single process, as far from the right time as a test wants, and moved while the process runs: libfaketime,
 * which reads the difference from a file at every question. The monotonic clock stays as it is, as on a machine
 * whose clock somebody sets.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryDirectory } from './kindred-node.js'

const LIBRARIES = '/usr/lib'
/** The variant for programs with threads. */
const LIBRARY = 'faketime/libfaketimeMT.so.1'

export class ShiftedClock {
  /** What the process has to be started with. */
  readonly env: NodeJS.ProcessEnv
  readonly #file: string

  /** Right at first; it goes away with the test `t`. */
  constructor(t: Test) {
    this.#file = join(temporaryDirectory(t), 'shift')
    this.shift(0)
    this.env = {
      LD_PRELOAD: library() ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    }
  }

  /** For a test's `skip`. */
  static skip(): string | false {
    return library() === null ? 'there is no libfaketime (Debian: faketime)' : false
  }

  /** From now on the clock is so many milliseconds ahead of the right time; negative is behind. */
  shift(aheadMs: number): void {
    writeFileSync(this.#file, `${aheadMs < 0 ? '-' : '+'}${Math.abs(aheadMs) / 1000}`)
  }
}

/** It lies in the folder of the machine's architecture, or in none. */
function library(): string | null {
  const folders = ['', ...readdirSync(LIBRARIES).filter((name) => name.endsWith('-linux-gnu'))]
  const places = folders.map((folder) => join(LIBRARIES, folder, LIBRARY))
  return places.find((place) => existsSync(place)) ?? null
}

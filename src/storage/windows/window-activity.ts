/** Which windows have become quiet: no table has come from a flush for a fifth of the window's width. Only guides merging. */
import type { Clock } from '../../env/clock.js'
import type { WindowTables } from './window-picker.js'

const QUIET_SHARE = 5

type ActivityByWindow = Map<string, { readonly maxSequence: number; readonly atMs: number }>

export class WindowActivity {
  readonly #clock: Clock
  /** By the window's end and start: the highest sequence in it, and when that was new. */
  #seen: ActivityByWindow = new Map()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called with all windows whenever tables may have changed. */
  note(windows: readonly WindowTables[]): void {
    const seen: ActivityByWindow = new Map()
    for (const window of windows) {
      const maxSequence = Math.max(...window.tables.map((table) => table.maxSequence))
      const before = this.#seen.get(nameOf(window))
      const isKnown = before !== undefined && before.maxSequence >= maxSequence
      seen.set(nameOf(window), isKnown ? before : { maxSequence, atMs: this.#clock.monotonicMs() })
    }
    this.#seen = seen
  }

  isQuiet(window: WindowTables): boolean {
    const seen = this.#seen.get(nameOf(window))
    const quietMs = (window.endMs - window.startMs) / QUIET_SHARE
    return seen !== undefined && this.#clock.monotonicMs() - seen.atMs >= quietMs
  }
}

function nameOf({ startMs, endMs }: WindowTables): string {
  return `${startMs} ${endMs}`
}

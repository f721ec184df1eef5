/**
 * SIGINT and SIGTERM for a command in the foreground: the first asks for an orderly stop, the second gives up waiting.
 * Listens from before the start, so that Ctrl-C during a long recovery is not lost; the stop then follows the start.
 */

/** npm passes on the signal that the terminal has sent already: the same one again within this time is not meant anew. */
const ECHO_MS = 1000

export class StopSignals {
  #first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined
  #stop: ((signal: NodeJS.Signals) => void) | undefined
  readonly #beforeForced: () => void

  /** `beforeForced` runs before the process ends at the second signal. */
  constructor(beforeForced: () => void = () => {}) {
    this.#beforeForced = beforeForced
    process.on('SIGINT', (signal) => this.#receive(signal, 130))
    process.on('SIGTERM', (signal) => this.#receive(signal, 143))
  }

  /** Runs `stop` at the first signal; at once when it has come already. */
  onFirst(stop: (signal: NodeJS.Signals) => void): void {
    this.#stop = stop
    if (this.#first !== undefined) stop(this.#first.signal)
  }

  #receive(signal: NodeJS.Signals, forcedExitCode: number): void {
    const atMs = performance.now()
    if (this.#first === undefined) {
      this.#first = { signal, atMs }
      this.#stop?.(signal)
    } else if (signal !== this.#first.signal || atMs - this.#first.atMs > ECHO_MS) {
      this.#beforeForced()
      process.exit(forcedExitCode)
    }
  }
}

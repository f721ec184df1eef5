/**
 * SIGINT and SIGTERM for a command in the foreground: the first asks for an orderly stop, the second gives up waiting.
 * Listens from before the start, so that Ctrl-C during a long recovery is not lost; the stop then follows the start.
 *
 * A node of `kindred up` also stops when that is gone, killed perhaps: nobody would know of the node any more, and it would hold
 * on to its port. It notices by the end of the channel between the two, which the system closes whatever happens; and only when
 * it was started for that, since other programs that start a node may end before it.
 */

/** An environment variable: with any value the process stops in order when its parent process has ended. */
export const STOPS_WITH_PARENT = 'KINDRED_STOPS_WITH_PARENT'

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
    if (process.env[STOPS_WITH_PARENT] !== undefined) this.#watchParent()
  }

  #watchParent(): void {
    const parentEnded = (): void => {
      // A stop that is under way goes on, however long it takes.
      if (this.#first === undefined) this.#receive('SIGTERM', 143)
    }
    process.once('disconnect', parentEnded)
    // Undefined where there never was a channel; false when its end was noticed before anybody listened.
    const { connected } = process as { readonly connected?: boolean }
    if (connected === false) parentEnded()
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

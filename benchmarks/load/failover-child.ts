/** A failover load in a process of its own, and what it is told. */
import { messageOf, startChild } from './child.js'
import type { FailoverLoadOptions, FailoverOrder, FailoverResult } from './failover-load.js'

/** What a load says before its result. */
export type LoadNews = 'measuring' | 'caught up'

export interface RunningLoad {
  /** The warm-up is over. */
  readonly measuring: Promise<unknown>
  /** The returned node has what it missed, or has been asked for long enough. */
  readonly caughtUp: Promise<unknown>
  readonly result: Promise<FailoverResult>
  order(order: FailoverOrder): void
  /** Ends the process, wherever it is. */
  kill(): void
}

export function startFailoverLoad(options: FailoverLoadOptions): RunningLoad {
  const child = startChild('failover-load-entry.js')
  const news = (wanted: LoadNews): Promise<unknown> => messageOf(child, (message) => message === wanted)
  const measuring = news('measuring')
  const caughtUp = news('caught up')
  const result = messageOf<FailoverResult>(child, (message) => typeof message === 'object')
  // Whoever waits for one of them hears of a load that ended early; the others need not be heard, too.
  for (const promise of [measuring, caughtUp, result]) promise.catch(() => {})
  child.send(options)
  return {
    measuring,
    caughtUp,
    result,
    order: (order) => void child.send(order),
    kill: () => void child.kill('SIGKILL'),
  }
}

/** A session load in a process of its own, and what it is told. */
import { messageOf, startChild } from './child.js'
import type { SessionFigures, SessionLoadOptions, SessionOrder } from './session-load.js'

export interface RunningSessions {
  run(order: SessionOrder): Promise<SessionFigures>
  /** Ends the process, wherever it is. */
  kill(): void
}

/** Resolves when the load is connected. */
export async function startSessions(options: SessionLoadOptions): Promise<RunningSessions> {
  const child = startChild('session-load-entry.js')
  child.send(options)
  await messageOf(child)
  return {
    run(order) {
      const figures = messageOf<SessionFigures>(child)
      child.send(order)
      return figures
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

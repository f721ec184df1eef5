/** Waiting in tests for something that happens in another process: asked again and again up to a deadline, never slept for. */
import { setTimeout as pause } from 'node:timers/promises'

const ASK_EVERY_MS = 20
const DEADLINE_MS = 20_000

/** The first answer that is not undefined, null or false. Rejects at the deadline, saying what was waited for. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<NonNullable<T>> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== null && answer !== false) return answer
    if (performance.now() > end) throw new Error(`still not after ${deadlineMs} ms: ${what}`)
    await pause(ASK_EVERY_MS)
  }
}

/** `promise`, unless it takes longer than the deadline: then it rejects, saying what was waited for. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = DEADLINE_MS): Promise<T> {
  const ended = new AbortController()
  const late = pause(deadlineMs, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`still not after ${deadlineMs} ms: ${what}`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    late.catch(() => {})
    ended.abort()
  }
}

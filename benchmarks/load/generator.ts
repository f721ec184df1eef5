/** Starts the open-loop generator in a process of its own: it must not share an event loop with anything. */
import { messageOf, startChild } from './child.js'
import type { OpenLoopOptions, OpenLoopResult } from './open-loop.js'

const GRACE_MS = 60_000

/** `onMeasuring` is called when the warm-up is over. */
export async function generate(
  options: OpenLoopOptions,
  onMeasuring: () => void = () => {},
): Promise<OpenLoopResult> {
  const child = startChild('open-loop-entry.js')
  const timeoutMs = (options.warmUpSeconds + options.seconds) * 1000 + GRACE_MS
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  child.on('message', (message) => {
    if (message === 'measuring') onMeasuring()
  })
  child.send(options)
  try {
    return await messageOf<OpenLoopResult>(child, (message) => message !== 'measuring')
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
  }
}

/** Starts loads in processes of their own: they must not share an event loop with anything. */
import { messageOf, startChild } from './child.js'
import type { EtcdLoadOptions, EtcdLoadResult } from './etcd-load.js'
import type { OpenLoopOptions, OpenLoopResult } from './open-loop.js'

const GRACE_MS = 60_000
const MEASURING = 'measuring'

/** `onMeasuring` is called when the warm-up is over. */
export function generate(
  options: OpenLoopOptions,
  onMeasuring: () => void = () => {},
): Promise<OpenLoopResult> {
  return runChild<OpenLoopResult>('open-loop-entry.js', options, onMeasuring)
}

export function generateEtcd(options: EtcdLoadOptions): Promise<EtcdLoadResult> {
  return runChild<EtcdLoadResult>('etcd-load-entry.js', options)
}

async function runChild<Result>(
  entry: string,
  options: OpenLoopOptions | EtcdLoadOptions,
  onMeasuring: () => void = () => {},
): Promise<Result> {
  const child = startChild(entry)
  const timeoutMs = (options.warmUpSeconds + options.seconds) * 1000 + GRACE_MS
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  child.on('message', (message) => {
    if (message === MEASURING) onMeasuring()
  })
  child.send(options)
  try {
    return await messageOf<Result>(child, (message) => message !== MEASURING)
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
  }
}

/** Loads run in processes of their own, so that they share an event loop with nothing: a script of this folder, and messages. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { track } from '../servers/cleanup.js'

/** Starts `load/${entry}`. Messages are cloned, not JSON, which has no Infinity. */
export function startChild(entry: string): ChildProcess {
  const child = fork(fileURLToPath(new URL(entry, import.meta.url)), { serialization: 'advanced' })
  track(child)
  return child
}

/** Resolves with the first message that `isWanted`; rejects when the process ends without. */
export function messageOf<T>(
  child: ChildProcess,
  isWanted: (message: unknown) => boolean = () => true,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (!isWanted(message)) return
      child.off('message', onMessage)
      child.off('exit', onExit)
      resolve(message as T)
    }
    const onExit = (code: number | null, signal: string | null): void =>
      reject(new Error(`a load of the benchmark ended with ${signal ?? code}`))
    child.on('message', onMessage)
    child.once('exit', onExit)
  })
}

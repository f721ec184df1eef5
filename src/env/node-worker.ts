/**
 * A worker thread of Node, behind the few words that we need: post, hear, stop. A thread keeps the process alive only
 * while its owner says that it is busy. It inherits no flags of the main thread (a test runner's loaders, an
 * inspector's port).
 */
import { Worker } from 'node:worker_threads'

export interface WorkerThread {
  /** Sends plain data; SharedArrayBuffers are shared, all else is copied. */
  post(message: unknown): void
  /** Whether the thread is working, and so keeps the process alive. */
  setBusy(isBusy: boolean): void
  /** Stops the thread, inside whatever JavaScript it runs; a system call that it is in ends first. */
  terminate(): Promise<void>
}

export interface WorkerEvents {
  message(message: unknown): void
  /** Once, when the thread has ended: by terminate(), or because of what `reason` says. */
  ended(reason: string): void
}

/**
 * Heap for young objects in a thread. With V8's own limit of some 48 MB a job lets go of garbage, and of the buffers
 * that it refers to, much later: while five million keys were loaded the process came to 891 instead of 773 MB, for the
 * same time of its threads (24.2 and 23.7 s).
 */
export const YOUNG_GENERATION_MB = 4

/** Starts the module at `entry` in a thread; `data` is its workerData. */
export function startWorker(entry: URL, data: unknown, events: WorkerEvents): WorkerThread {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB }
  const worker = new Worker(entry, { workerData: data, execArgv: [], resourceLimits })
  let reason = ''
  worker.on('message', (message: unknown) => events.message(message))
  worker.on('error', (error: Error) => (reason = error.stack ?? error.message))
  worker.on('exit', (code) => events.ended(reason === '' ? `the thread ended with code ${code}` : reason))
  worker.unref()
  return {
    post: (message) => worker.postMessage(message),
    setBusy: (isBusy) => (isBusy ? worker.ref() : worker.unref()),
    terminate: async () => {
      worker.ref()
      await worker.terminate()
    },
  }
}

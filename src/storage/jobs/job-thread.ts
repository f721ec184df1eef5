/**
 * One worker thread and the jobs that wait for it, in order. The thread starts with the first job and lives until close;
 * when it dies, the job that it was running fails with JobError 'worker-died' and a new thread takes the next.
 */
import type { Clock } from '../../env/clock.js'
import type { WorkerEvents, WorkerThread } from '../../env/node-worker.js'
import { assert } from '../../util/assert.js'
import { JobError } from './job-error.js'
import { errorOf } from './job-failure.js'
import type { JobReply, JobRequest, JobResult } from './job-message.js'
import { PaceControl } from './thread-pace.js'

/** The store has a handful of jobs under way; more than this is a bug of ours. */
const WAITING_JOBS_MAX = 64
/** How long close waits for a job to notice that it is cancelled, before it stops the thread. */
const CANCEL_GRACE_MS = 2000

/** Starts a thread of worker-entry.ts. */
export type StartThread = (paceWords: Int32Array, events: WorkerEvents) => WorkerThread

interface PendingJob {
  readonly request: JobRequest
  resolve(result: JobResult): void
  reject(error: Error): void
}

export class JobThread {
  readonly pace = new PaceControl()
  readonly #start: StartThread
  readonly #clock: Clock
  readonly #waiting: PendingJob[] = []
  #running: PendingJob | null = null
  #thread: WorkerThread | null = null
  #isClosed = false
  /** Resolves close() when the running job ends. */
  #onIdle: () => void = () => {}

  constructor(start: StartThread, clock: Clock) {
    this.#start = start
    this.#clock = clock
  }

  run(request: JobRequest): Promise<JobResult> {
    if (this.#isClosed) return Promise.reject(cancelled())
    assert(this.#waiting.length < WAITING_JOBS_MAX, 'the store waits for its jobs')
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#next()
    })
  }

  /** Cancels everything, lets the running job clean up for a moment, stops the thread. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.pace.cancel()
    for (const job of this.#waiting.splice(0)) job.reject(cancelled())
    if (this.#running !== null) await this.#idleOrLate()
    await this.#thread?.terminate()
  }

  #idleOrLate(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(CANCEL_GRACE_MS, resolve)
      this.#onIdle = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  #next(): void {
    if (this.#running !== null) return
    const job = this.#waiting.shift()
    if (job === undefined) return
    this.#running = job
    try {
      this.#thread ??= this.#startThread()
      this.#thread.setBusy(true)
      this.#thread.post(job.request)
    } catch (error) {
      this.#endJob()?.reject(
        new JobError('worker-died', 'a storage worker could not be used', { cause: error }),
      )
      this.#next()
    }
  }

  #startThread(): WorkerThread {
    return this.#start(this.pace.words, {
      message: (reply) => this.#onReply(reply as JobReply),
      ended: (reason) => this.#onEnd(reason),
    })
  }

  #onReply(reply: JobReply): void {
    const job = this.#endJob()
    if (reply.kind === 'done') job?.resolve(reply.result)
    else job?.reject(errorOf(reply.failure))
    this.#next()
  }

  #onEnd(reason: string): void {
    this.#thread = null
    const error = this.#isClosed
      ? cancelled()
      : new JobError('worker-died', `a storage worker died: ${reason}`)
    this.#endJob()?.reject(error)
    this.#next()
  }

  #endJob(): PendingJob | null {
    const job = this.#running
    this.#running = null
    this.#thread?.setBusy(false)
    this.#onIdle()
    return job
  }
}

function cancelled(): JobError {
  return new JobError('cancelled', 'the engine is closing')
}

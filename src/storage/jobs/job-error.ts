/**
 * Why a job did not finish. `code` is the disk's own (ENOSPC, EIO, …), or one of ours: 'cancelled' (the engine is
 * closing), 'worker-died' (the thread ended under the job; a new one takes the next job). Damaged input is not here: it
 * is a CorruptionError, with file and offset.
 */
export class JobError extends Error {
  override readonly name = 'JobError'
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

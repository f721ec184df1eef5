/**
 * A job's failure as plain data, to travel from the thread where it happened to the promise that waits for it. What
 * arrives is what was thrown, so that callers need not know where a job ran: corruption keeps file and offset, the disk's errors
 * keep their code, and a broken assertion stays one.
 */
import { AssertionError } from '../../util/assert.js'
import { CorruptionError } from '../corruption-error.js'
import { diskErrorCode } from '../disk-error.js'
import { ManifestWriteError } from '../manifest.js'
import { JobError } from './job-error.js'

export type JobFailure =
  | {
      readonly kind: 'corruption'
      readonly file: string
      readonly offset: number
      readonly what: string
      readonly advice: string
    }
  | { readonly kind: 'job'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'manifest'
      readonly applied: 'no' | 'unknown'
      readonly code: string
      readonly message: string
    }
  | { readonly kind: 'bug'; readonly message: string; readonly stack: string }

export function failureOf(error: unknown): JobFailure {
  if (error instanceof CorruptionError) {
    const { file, offset, what } = error
    return { kind: 'corruption', file, offset, what, advice: adviceOf(error) }
  }
  if (error instanceof ManifestWriteError) {
    return { kind: 'manifest', applied: error.applied, code: error.code, message: error.message }
  }
  if (error instanceof JobError) return { kind: 'job', code: error.code, message: error.message }
  const code = diskErrorCode(error)
  if (code !== null) return { kind: 'job', code, message: messageOf(error) }
  return { kind: 'bug', message: messageOf(error), stack: error instanceof Error ? (error.stack ?? '') : '' }
}

export function errorOf(failure: JobFailure): Error {
  switch (failure.kind) {
    case 'corruption':
      return new CorruptionError(failure.file, failure.offset, failure.what, failure.advice)
    case 'manifest':
      return new ManifestWriteError(failure.applied, failure.code, failure.message)
    case 'job':
      return new JobError(failure.code, failure.message)
    case 'bug': {
      const error = new AssertionError(failure.message)
      if (failure.stack !== '') error.stack = failure.stack
      return error
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The end of the message: what follows the words that a message without advice consists of. */
function adviceOf(error: CorruptionError): string {
  return error.message.slice(new CorruptionError(error.file, error.offset, error.what, '').message.length)
}

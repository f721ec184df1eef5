/** What keeps a command on the whole cluster from being done: expected outcomes, which clients are told by their code. */

/**
 * 'no-replicas-read', 'no-replicas-write', 'clock': nothing was applied; 'uncertain': it may have been, here or there; 'busy': too
 * much is waiting, nothing was applied.
 */
export type ClusterErrorCode = 'no-replicas-read' | 'no-replicas-write' | 'clock' | 'uncertain' | 'busy'

export class ClusterError extends Error {
  readonly code: ClusterErrorCode

  /** `detail`: where `code` alone does not say it all. */
  constructor(code: ClusterErrorCode, detail = '') {
    super(detail)
    this.code = code
  }
}

/** What the coordinator has counted since the start, for INFO. */
export class CoordinatorCounters {
  /** Reads whose replicas differed, and records written back for it. */
  readMismatches = 0
  readRepairs = 0
  /** Reads that asked a further replica because one was slow. */
  speculativeReads = 0
  /** Requests that went to their home, and those that came from other nodes. */
  forwardedRequests = 0
  receivedRequests = 0
  /** Conditional writes that were proposed, and those that were refused by all and begun anew. */
  proposals = 0
  proposalRetries = 0
  /** Answered -UNCERTAIN, -NOREPLICAS, -CLOCK. */
  uncertainWrites = 0
  noReplicas = 0
  clockRefusals = 0
  /** Records that others were asked to keep for replicas that were not live (RULES L5). */
  fallbackCopies = 0
  /** Requests that peers refused, by reason (messages.ts). */
  readonly refusedByPeers = new Map<number, number>()

  refused(reason: number): void {
    this.refusedByPeers.set(reason, (this.refusedByPeers.get(reason) ?? 0) + 1)
  }
}

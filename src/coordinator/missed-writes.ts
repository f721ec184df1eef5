/** What the coordinator tells of its own writes that did not reach everybody; hints are made of it (RULES L2, L4). */
export interface MissedWrites {
  /** A member may lack own log entries first to last. What a member lacks because it is not live needs no telling. */
  missed(member: number, first: number, last: number): void
  /** Own log entries first to last are not known on as many replicas as their writer asked for. */
  uncertain(first: number, last: number): void
}

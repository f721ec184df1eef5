/**
 * When a member is *failed*, and not just out of this node's reach: it is held down by two members, or by the only live one (RULES P1).
 * Links detect and each node routes by its own judgement; agreement is for what must not follow from one node's cut cable: CLUSTER
 * NODES, FLUSHALL (P4), purging (P1).
 *
 * Whoever is counted must be a witness of now. A member that this node itself holds down is none, though its last word may
 * still go round, and neither is one that nobody has heard of lately. This errs towards "not failed".
 */
export interface Judgements {
  /** How many there are, this one included. */
  readonly members: number
  readonly self: number
  /** Whether this node holds the member down. */
  isDown(member: number): boolean
  /** Whether what the member said of itself is recent. */
  isFresh(member: number): boolean
  /** Whether the other member `holder` said that it holds `member` down. */
  holdsDown(holder: number, member: number): boolean
}

/** The members, this one among them, that hold `member` down as far as they can be believed. */
export function holdersOf(member: number, judgements: Judgements): number[] {
  const { members, self } = judgements
  const holders: number[] = []
  for (let holder = 0; holder < members; holder++) {
    if (holder === member) continue
    const holds =
      holder === self
        ? judgements.isDown(member)
        : isWitness(holder, judgements) && judgements.holdsDown(holder, member)
    if (holds) holders.push(holder)
  }
  return holders
}

/** A node never holds itself for failed: who can ask lives. */
export function isFailed(member: number, judgements: Judgements): boolean {
  if (member === judgements.self) return false
  const holders = holdersOf(member, judgements)
  return holders.length >= 2 || (holders[0] === judgements.self && isOnlyLiveOne(judgements))
}

function isWitness(holder: number, judgements: Judgements): boolean {
  return !judgements.isDown(holder) && judgements.isFresh(holder)
}

function isOnlyLiveOne(judgements: Judgements): boolean {
  for (let member = 0; member < judgements.members; member++) {
    if (member !== judgements.self && !judgements.isDown(member)) return false
  }
  return true
}

/** The bounds of gossip in one place. Sizes in bytes, times in milliseconds or rounds. */

/** A message; below what a link takes in one piece (64 KB), with room for the link's own head. */
export const GOSSIP_BYTES_MAX = 60_000
/** States of one member. */
export const STATES_MAX = 16
/** All states of one member together, so that what is told of a member always fits into one message. */
export const MEMBER_STATES_BYTES_MAX = 48 * 1024
/** So many members are seeds: the first ones in the ring's order. */
export const SEEDS = 3
/** News are told to so many members at once instead of at the next round to one. */
export const NEWS_FANOUT = 3
/** A member that was not heard of for so many rounds, not even through others, is no witness any more. */
export const FRESH_ROUNDS = 20
/** A generation further ahead of the wall clock is not believed: nobody could ever have a higher one. */
export const GENERATION_AHEAD_MS_MAX = 365 * 24 * 60 * 60 * 1000

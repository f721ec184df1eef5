/**
 * What is known of every member by gossip: its generation (one start of its process), its version (counts what it has said since)
 * and its named states, each with the version at which it changed.
 *
 * Invariant: what is held of a member is exactly what it was at the held (generation, version). So a delta is only taken when
 * nothing is missing between what is held and where it begins, and a digest of two numbers says all.
 */
import { MEMBER_STATES_BYTES_MAX, STATES_MAX } from './limits.js'

/** The time of a step: `monotonicMs` for ages, `wallMs` to judge generations, and what is compared with stamps. */
export interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

export interface State {
  readonly number: number
  /** Of the member, when it said this. */
  readonly version: number
  readonly bytes: Buffer
}

export class MemberTable {
  /** By member; 0 for one that was never heard from. */
  readonly generations: Float64Array
  readonly versions: Float64Array
  /** By member: monotonic time at which generation or version last grew. */
  readonly advancedAtMs: Float64Array
  /** The same by the wall clock, milliseconds since 1970. */
  readonly advancedAtWallMs: Float64Array
  /** By member: version of the latest of its states. */
  readonly saidAt: Float64Array
  /** Ascending by number; undefined for none. */
  readonly #states: (readonly State[] | undefined)[]

  constructor(members: number) {
    this.generations = new Float64Array(members)
    this.versions = new Float64Array(members)
    this.advancedAtMs = new Float64Array(members).fill(-Infinity)
    this.advancedAtWallMs = new Float64Array(members).fill(-Infinity)
    this.saidAt = new Float64Array(members)
    this.#states = new Array<readonly State[] | undefined>(members).fill(undefined)
  }

  get size(): number {
    return this.generations.length
  }

  statesOf(member: number): readonly State[] {
    return this.#states[member] ?? []
  }

  /** Null when the member has not said it. */
  bytesOf(member: number, number: number): Buffer | null {
    return this.statesOf(member).find((state) => state.number === number)?.bytes ?? null
  }

  /** Whether (generation, version) is newer than what is held of the member. */
  isNewer(member: number, generation: number, version: number): boolean {
    const held = this.generations[member]
    return generation > held || (generation === held && version > this.versions[member])
  }

  /** Whether a delta that begins at `since` connects to what is held: nothing between them would be missing. */
  connects(member: number, generation: number, since: number): boolean {
    return since === 0 || (generation === this.generations[member] && since <= this.versions[member])
  }

  /** Moves the member to a newer (generation, version), its states as they are. */
  advance(member: number, generation: number, version: number, now: Moment): void {
    this.generations[member] = generation
    this.versions[member] = version
    this.advancedAtMs[member] = now.monotonicMs
    this.advancedAtWallMs[member] = now.wallMs
  }

  /**
   * Puts states, ascending by number, over those that are held, which end with the generation. Answers the numbers of those
   * whose bytes changed, null when the member would have more than the bounds allow and nothing was taken.
   */
  put(member: number, changes: readonly State[], isNewGeneration: boolean): number[] | null {
    const before = this.statesOf(member)
    const kept = isNewGeneration
      ? []
      : before.filter(({ number }) => changes.every((change) => change.number !== number))
    const after = [...kept, ...changes].sort((a, b) => a.number - b.number)
    if (after.length > STATES_MAX || bytesIn(after) > MEMBER_STATES_BYTES_MAX) return null
    this.#states[member] = after
    this.saidAt[member] = after.reduce((latest, { version }) => Math.max(latest, version), 0)
    return changed(before, after)
  }
}

function bytesIn(states: readonly State[]): number {
  return states.reduce((sum, { bytes }) => sum + bytes.length, 0)
}

function changed(before: readonly State[], after: readonly State[]): number[] {
  const numbers = new Set([...before, ...after].map(({ number }) => number))
  return [...numbers].filter((number) => {
    const old = before.find((state) => state.number === number)
    const now = after.find((state) => state.number === number)
    return old === undefined || now === undefined || !old.bytes.equals(now.bytes)
  })
}

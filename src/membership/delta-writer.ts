/**
 * Writes the deltas of a message, as many as it has room for: what is left out is told in another round, so a message is bounded
 * whatever there is to tell. Members that have something to say go before those that merely live, and who goes first
 * is drawn for each message, so everybody's turn comes.
 */
import type { Random } from '../env/random.js'
import { DELTA_HEAD_BYTES, STATE_HEAD_BYTES, writeDeltaHead, writeState } from './gossip-format.js'
import { GOSSIP_BYTES_MAX } from './limits.js'
import type { MemberTable, State } from './member-table.js'

export class DeltaWriter {
  readonly #table: MemberTable
  /** Members with something to say, and those with nothing. */
  readonly #telling: number[] = []
  readonly #living: number[] = []
  /** By member: the version beyond which it is told. */
  readonly #since: Float64Array
  /** Deltas that were written. */
  count = 0

  constructor(table: MemberTable) {
    this.#table = table
    this.#since = new Float64Array(table.size)
  }

  /** What is held of the member beyond (generation, version), if anything is. */
  addBeyond(member: number, generation: number, version: number): void {
    const { generations, versions, saidAt } = this.#table
    const since = generation === generations[member] ? version : 0
    if (generation > generations[member] || versions[member] <= since) return
    this.#since[member] = since
    const members = saidAt[member] > since ? this.#telling : this.#living
    members.push(member)
  }

  /** A message whose first `from` bytes are left to the caller, the deltas behind them; `random` says who goes first. */
  write(from: number, random: Random): Buffer {
    const chosen: number[] = []
    let length = from
    for (const members of [this.#telling, this.#living]) {
      const first = members.length === 0 ? 0 : random.below(members.length)
      for (let i = 0; i < members.length; i++) {
        const member = members[(first + i) % members.length]
        const bytes = members === this.#living ? DELTA_HEAD_BYTES : deltaBytes(this.#statesOf(member))
        if (length + bytes > GOSSIP_BYTES_MAX) continue
        chosen.push(member)
        length += bytes
      }
    }
    this.count = chosen.length
    const message = Buffer.allocUnsafe(length)
    let at = from
    for (const member of chosen) at = this.#writeDelta(message, at, member)
    return message
  }

  #statesOf(member: number): readonly State[] {
    const since = this.#since[member]
    if (this.#table.saidAt[member] <= since) return []
    return this.#table.statesOf(member).filter(({ version }) => version > since)
  }

  #writeDelta(message: Buffer, at: number, member: number): number {
    const { generations, versions } = this.#table
    const states = this.#statesOf(member)
    const since = this.#since[member]
    at = writeDeltaHead(message, at, member, generations[member], versions[member], since, states.length)
    for (const { number, version, bytes } of states) at = writeState(message, at, number, version, bytes)
    return at
  }
}

function deltaBytes(states: readonly State[]): number {
  return states.reduce((sum, { bytes }) => sum + STATE_HEAD_BYTES + bytes.length, DELTA_HEAD_BYTES)
}

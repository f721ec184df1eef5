/**
 * Writes the deltas of a message, as many as it has room for: what is left out is told in another round, so a message is bounded
 * whatever there is to tell. Members that have something to say go before those that merely live, and who goes first
 * changes from message to message, so everybody's turn comes.
 */
import { DELTA_HEAD_BYTES, STATE_HEAD_BYTES, writeDeltaHead, writeState } from './gossip-format.js'
import { GOSSIP_BYTES_MAX } from './limits.js'
import type { MemberTable, State } from './member-table.js'

interface Delta {
  readonly member: number
  readonly since: number
  readonly states: readonly State[]
}

export class DeltaWriter {
  readonly #table: MemberTable
  readonly #telling: Delta[] = []
  readonly #living: Delta[] = []
  /** Deltas that were written. */
  count = 0

  constructor(table: MemberTable) {
    this.#table = table
  }

  /** What is held of the member beyond (generation, version), if anything is. */
  addBeyond(member: number, generation: number, version: number): void {
    const { generations, versions } = this.#table
    const since = generation === generations[member] ? version : 0
    if (generation > generations[member] || versions[member] <= since) return
    const states = this.#table.statesOf(member).filter((state) => state.version > since)
    const deltas = states.length > 0 ? this.#telling : this.#living
    deltas.push({ member, since, states })
  }

  /** A message whose first `from` bytes are left to the caller, the deltas behind them; `first` says whose turn it is. */
  write(from: number, first: number): Buffer {
    const chosen: Delta[] = []
    let length = from
    for (const deltas of [this.#telling, this.#living]) {
      for (let i = 0; i < deltas.length; i++) {
        const delta = deltas[(first + i) % deltas.length]
        const bytes = deltaBytes(delta)
        if (length + bytes > GOSSIP_BYTES_MAX) continue
        chosen.push(delta)
        length += bytes
      }
    }
    this.count = chosen.length
    const message = Buffer.allocUnsafe(length)
    let at = from
    for (const delta of chosen) at = this.#writeDelta(message, at, delta)
    return message
  }

  #writeDelta(message: Buffer, at: number, { member, since, states }: Delta): number {
    const { generations, versions } = this.#table
    at = writeDeltaHead(message, at, member, generations[member], versions[member], since, states.length)
    for (const { number, version, bytes } of states) at = writeState(message, at, number, version, bytes)
    return at
  }
}

function deltaBytes({ states }: Delta): number {
  return states.reduce((sum, { bytes }) => sum + STATE_HEAD_BYTES + bytes.length, DELTA_HEAD_BYTES)
}

/** What the links of a node ask the node for, and its settings for them. */
import type { Clock } from '../env/clock.js'
import type { Log } from '../env/log.js'
import type { Network } from '../env/network.js'
import type { Random } from '../env/random.js'
import type { PhiAccrualOptions } from '../membership/phi-accrual.js'
import { PHI_ACCRUAL_DEFAULTS } from '../membership/phi-accrual.js'
import { LINK_VERSIONS } from './handshake.js'
import type { Versions } from './handshake-frame.js'
import { MESSAGE_BYTES_MAX, TICK_MS, UNACKNOWLEDGED_BYTES_MAX } from './limits.js'

/** Asked again and again: answers are those of the moment. */
export interface LinkNode {
  readonly nodeId: string
  /** Random, below 2^53, another one at each start. */
  readonly bootId: number
  ringVersion(): string
  /** Highest FLUSHALL mark known (an HLC); 0 for none. */
  flushMark(): number
  /** Opaque state for HELLOs, HELLO_STATE_BYTES_MAX at most. */
  helloState(): Buffer
  /** Flags of ping.ts; 0 is fit. */
  fitness(): number
  /** Opaque state for a ping to this peer, PING_STATE_BYTES_MAX at most; used at once. */
  pingState(peerId: string): Uint8Array
  /** The HLC to put into a frame. */
  stamp(): number
  /** The HLC of a frame that came, before anything in it is handed out. How far it is believed is judged here (RULES C2). */
  witness(hlc: number): void
}

export interface LinkSettings {
  readonly secret: string
  readonly versions: Versions
  readonly unacknowledgedBytesMax: number
  readonly messageBytesMax: number
  readonly phi: PhiAccrualOptions
  readonly phiSuspicious: number
  /** Between pings, to the tick (TICK_MS). */
  readonly pingIntervalMs: number
}

export const LINK_DEFAULTS: Omit<LinkSettings, 'secret'> = {
  versions: LINK_VERSIONS,
  unacknowledgedBytesMax: UNACKNOWLEDGED_BYTES_MAX,
  messageBytesMax: MESSAGE_BYTES_MAX,
  phi: PHI_ACCRUAL_DEFAULTS,
  phiSuspicious: 5,
  pingIntervalMs: TICK_MS,
}

export interface LinkEnv {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly log: Log
}

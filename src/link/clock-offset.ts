/**
 * How far a peer's wall clock is ahead of ours, from pings: the peer read its clock somewhere within the round trip, by best guess
 * in its middle, so a sample is wrong by half the round trip at most. Of the latest samples the one with the shortest
 * round trip counts, as in NTP's clock filter (RFC 5905, 10): one that waited behind a large write says little.
 *
 * Eight samples are less than a second of pings, so that a clock that was set shows as fast. A process that stands still takes none
 * meanwhile: those of before are void, and so is the ping that was under way, which seems to have taken as long.
 */
const SAMPLES = 8
/** What may be wrong by half of it says nothing about clocks that may be apart by as much. */
export const ROUND_TRIP_MS_MAX = 1000

export class ClockOffset {
  readonly #offsets = new Float64Array(SAMPLES)
  readonly #roundTrips = new Float64Array(SAMPLES).fill(Infinity)
  #next = 0

  /** Whether there is a sample at all. */
  get isKnown(): boolean {
    return this.roundTripMs < Infinity
  }

  /** Milliseconds that the peer's wall clock is ahead (negative: behind). */
  get offsetMs(): number {
    return this.#offsets[this.#best()]
  }

  /** The shortest round trip of the latest samples, in milliseconds; Infinity before the first. */
  get roundTripMs(): number {
    return this.#roundTrips[this.#best()]
  }

  /** `peerWallMs` came with the answer to what was sent `roundTripMs` ago; `ownWallMs` is now. */
  add(peerWallMs: number, ownWallMs: number, roundTripMs: number): void {
    if (roundTripMs > ROUND_TRIP_MS_MAX) return
    this.#offsets[this.#next] = peerWallMs + roundTripMs / 2 - ownWallMs
    this.#roundTrips[this.#next] = roundTripMs
    this.#next = (this.#next + 1) % SAMPLES
  }

  /** Our own clock was set, we stood still, or the peer is another one: what was known is void. */
  clear(): void {
    this.#roundTrips.fill(Infinity)
    this.#offsets.fill(0)
  }

  #best(): number {
    let best = 0
    for (let i = 1; i < SAMPLES; i++) if (this.#roundTrips[i] < this.#roundTrips[best]) best = i
    return best
  }
}

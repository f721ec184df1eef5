/**
 * Up to which own sequence a linked member has dealt with what was sent to it, without a store per write: every so often the newest
 * own sequence is noted beside the newest sequence of the link. When the link's watermark has passed the latter, every
 * record up to the former that was sent has been acknowledged, or refused, which is told one by one. When the link is lost, what
 * came after the last such pair is in doubt: at most what was written between two notes and one round trip.
 */

/** A link that acknowledges nothing for so many notes gets no further ones: then more is in doubt. */
const NOTES_MAX = 64

export class DeliveryCheckpoints {
  /** Everything up to here was dealt with, or is known to be missed. */
  confirmed: number
  #notes: { readonly own: number; readonly link: number }[] = []

  constructor(confirmed: number) {
    this.confirmed = confirmed
  }

  /** All own records up to `own` that go over the link have sequences up to `link` there. */
  note(own: number, link: number): void {
    const latest = this.#notes.at(-1)
    if (own === (latest?.own ?? this.confirmed) || this.#notes.length === NOTES_MAX) return
    this.#notes.push({ own, link })
  }

  acked(watermark: number): void {
    while (this.#notes.length > 0 && this.#notes[0].link <= watermark) {
      this.confirmed = this.#notes[0].own
      this.#notes.shift()
    }
  }

  /** The link is lost, or made anew: everything up to `confirmed` is accounted for. */
  restart(confirmed = this.confirmed): void {
    this.#notes = []
    this.confirmed = confirmed
  }
}

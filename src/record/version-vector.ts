/**
 * Dots and version vectors, in their decoded form. A dot is one write: the actor that minted it, and its HLC. A version
 * vector says what a record has seen: of each actor, everything up to an HLC. It is kept as an array of dots ascending
 * by actor, one per actor, because that is how it stands in a record's bytes and because vectors have one entry unless
 * something failed; a Map would cost more and lose the order.
 */

/** One write: at once its timestamp, its actor's counter and its rank. */
export interface Dot {
  readonly actor: number
  readonly hlc: number
}

/** Ascending by actor, at most one entry per actor. */
export type VersionVector = readonly Dot[]

export type VectorOrder = 'equal' | 'before' | 'after' | 'concurrent'

/** Whether the vector has seen the dot. */
export function coversDot(vector: VersionVector, dot: Dot): boolean {
  for (const entry of vector) {
    if (entry.actor === dot.actor) return entry.hlc >= dot.hlc
    if (entry.actor > dot.actor) return false
  }
  return false
}

/** Whether `vector` has seen everything that `other` has. */
export function coversVector(vector: VersionVector, other: VersionVector): boolean {
  return other.every((entry) => coversDot(vector, entry))
}

/** How `a` stands to `b`: `before` when b has seen all that a has, and more. */
export function compareVectors(a: VersionVector, b: VersionVector): VectorOrder {
  const aCovers = coversVector(a, b)
  const bCovers = coversVector(b, a)
  if (aCovers) return bCovers ? 'equal' : 'after'
  return bCovers ? 'before' : 'concurrent'
}

/** The pointwise maximum. */
export function joinVectors(a: VersionVector, b: VersionVector): VersionVector {
  const joined: Dot[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    if (a[i].actor < b[j].actor) {
      joined.push(a[i++])
    } else if (a[i].actor > b[j].actor) {
      joined.push(b[j++])
    } else {
      joined.push(a[i].hlc >= b[j].hlc ? a[i] : b[j])
      i++
      j++
    }
  }
  return joined.concat(a.slice(i), b.slice(j))
}

/** The highest HLC in the vector, the floor of the next dot (RULES V4); 0 when it is empty. */
export function newestHlc(vector: VersionVector): number {
  let newest = 0
  for (const entry of vector) if (entry.hlc > newest) newest = entry.hlc
  return newest
}

/** The rank of last write wins: positive when `a` is the later, by HLC and then by actor. */
export function compareDots(a: Dot, b: Dot): number {
  return a.hlc === b.hlc ? a.actor - b.actor : a.hlc - b.hlc
}

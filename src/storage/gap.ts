/**
 * A gap: tokens of which this node no longer knows what it held. A file that fails its checksum is taken out of service
 * (quarantine.ts), and what it said of a key may have been the newest: older versions in other files are uncovered, as by a
 * drop (RULES T8), and a key that has none looks absent. So nothing between the tokens is answered, neither from what is left nor
 * as "absent", until it has come from other nodes.
 *
 * A gap is in the manifest from the edit that takes its file out to the one that says that it is filled: a start in between
 * knows of it. Entries above its floor are newer than everything that is missing: they stand.
 */
export interface Gap {
  /** Name of the file that was taken out. */
  readonly file: string
  readonly minToken: number
  /** Inclusive. */
  readonly maxToken: number
  /** No entry that is missing had a higher sequence. */
  readonly floorSequence: number
  /** No record that is missing had a higher stamp, as far as that is known (RULES V4); 0 when it is not. */
  readonly maxHlc: number
  /** Entries that are missing; 0 when that is not known. */
  readonly entryCount: number
}

const NUMBERS = ['minToken', 'maxToken', 'floorSequence', 'maxHlc', 'entryCount'] as const

/** Whether the JSON value is a gap. */
export function isGap(json: unknown): json is Gap {
  if (typeof json !== 'object' || json === null) return false
  const fields = json as Record<string, unknown>
  if (typeof fields['file'] !== 'string') return false
  return NUMBERS.every((name) => Number.isSafeInteger(fields[name]) && (fields[name] as number) >= 0)
}

export function isSameGap(a: Gap, b: Gap): boolean {
  return a.file === b.file && NUMBERS.every((name) => a[name] === b[name])
}

/**
 * Arbitrary records of one key, out of few actors and small stamps, so that dots of different records often meet. Any
 * record whose siblings are covered by its own context can come up, not only those that a correct history leads to.
 */
import fc from 'fast-check'
import type { RecordValue, Sibling } from '../../../src/record/record.js'
import { deletionSibling, valueSibling } from '../../../src/record/record.js'
import { rank } from '../../../src/record/merge.js'
import type { Dot } from '../../../src/record/version-vector.js'

export const KEY = Buffer.from('key')

const ACTORS = [1, 2, 3]
const HLC_MAX = 6
const DOTS = ACTORS.flatMap((actor) =>
  Array.from({ length: HLC_MAX }, (_, index) => ({ actor, hlc: index + 1 })),
)

/** The one content of a dot (RULES V1), unless `variant` says that it rotted. */
export function contentOf(dot: Dot, variant = 0): Sibling {
  if (dot.hlc % 3 === 0 && variant === 0) return deletionSibling(dot)
  return valueSibling(
    dot,
    Buffer.from(`${dot.actor}@${dot.hlc}#${variant}`),
    dot.hlc % 2 === 0 ? 4_000_000 : 0,
  )
}

function record(seen: readonly number[], chosen: readonly Dot[], variants: readonly number[]): RecordValue {
  const context = ACTORS.map((actor, index) => ({ actor, hlc: seen[index] })).filter((dot) => dot.hlc > 0)
  const covered = chosen.filter((dot) => dot.hlc <= seen[ACTORS.indexOf(dot.actor)])
  const siblings = covered.map((dot, index) => contentOf(dot, variants[index] ?? 0))
  return { key: KEY, context, siblings: rank(siblings) }
}

const seen = fc.tuple(...ACTORS.map(() => fc.integer({ min: 0, max: HLC_MAX })))
const chosen = fc.subarray(DOTS, { maxLength: 6 })

/** Records in which each dot has its one content. */
export const soundRecord = fc.tuple(seen, chosen).map(([s, c]) => record(s, c, []))

/** Records in which a dot may also hold another content. */
export const rottenRecord = fc
  .tuple(seen, chosen, fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 }))
  .map(([s, c, v]) => record(s, c, v))

/** Plain objects in canonical order. */
function ascending(context: readonly Dot[]): readonly Dot[] {
  return context.map(({ actor, hlc }) => ({ actor, hlc })).toSorted((a, b) => a.actor - b.actor)
}

/** Records with unrestricted fields, for encoding. */
export const anyRecord: fc.Arbitrary<RecordValue> = fc
  .record({
    key: fc.uint8Array({ maxLength: 40 }),
    context: fc.uniqueArray(fc.record({ actor: fc.maxSafeNat(), hlc: fc.maxSafeNat() }), {
      maxLength: 5,
      selector: (entry) => entry.actor,
    }),
    contents: fc.array(
      fc.record({
        value: fc.oneof(
          { arbitrary: fc.uint8Array({ maxLength: 60 }), weight: 9 },
          fc.uint8Array({ minLength: 500, maxLength: 700 }),
        ),
        deleted: fc.boolean(),
        expireAtMs: fc.oneof(fc.constant(0), fc.nat(), fc.constant(2 ** 48 - 1)),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { maxLength: 5 },
    ),
  })
  .map(({ key, context, contents }) => {
    const siblings = contents.slice(0, context.length).map((content, index) => {
      const dot = { actor: context[index].actor, hlc: Math.floor(context[index].hlc * content.share) }
      return content.deleted ? deletionSibling(dot) : valueSibling(dot, content.value, content.expireAtMs)
    })
    return { key, context: ascending(context), siblings: rank(siblings) }
  })

/** A record without the identity of its byte arrays, for comparisons. */
export function plain(value: RecordValue | null): unknown {
  if (value === null) return null
  return {
    key: Buffer.from(value.key).toString('hex'),
    context: value.context.map(({ actor, hlc }) => [actor, hlc]),
    siblings: value.siblings.map((sibling) => ({
      ...sibling,
      value: Buffer.from(sibling.value).toString('hex'),
    })),
  }
}

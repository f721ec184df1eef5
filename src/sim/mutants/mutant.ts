/**
 * Deliberately broken variants of the product, each caught by a checker or the simulator is worth nothing. A variant is a change of
 * the compiled text: some text of a file of dist/src is replaced by other text. So the product has no hooks for it, and a text
 * that is no longer there fails loudly instead of leaving the variant sound.
 */
export interface MutantEdit {
  /** Below dist/src. */
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  readonly name: string
  /** What is broken, and which rule forbids it. */
  readonly what: string
  readonly edits: readonly MutantEdit[]
  /** See run-options.ts: what makes the breach likely. */
  readonly profile: string
  readonly seconds?: number
}

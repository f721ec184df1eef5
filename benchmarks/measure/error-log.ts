/** Errors that loads were answered with, by what was measured: a report always says whether there were any. */

export class ErrorLog {
  readonly #byPhase = new Map<string, Map<string, number>>()

  /** `errors`: requests by the error's text. */
  add(phase: string, errors: Readonly<Record<string, number>>): void {
    for (const [text, count] of Object.entries(errors)) {
      const texts = this.#byPhase.get(phase) ?? new Map<string, number>()
      this.#byPhase.set(phase, texts)
      texts.set(text, (texts.get(text) ?? 0) + count)
    }
  }

  /** A line for each phase with errors, the most frequent ones first; or one line that there were none. */
  notes(): string[] {
    if (this.#byPhase.size === 0) return ['no request was answered with an error']
    return [...this.#byPhase].map(([phase, texts]) => {
      const sorted = [...texts].sort(([, a], [, b]) => b - a)
      const list = sorted.map(([text, count]) => `${count} x "${text}"`).join(', ')
      return `ERRORS, not counted as requests done, in ${phase}: ${list}`
    })
  }
}

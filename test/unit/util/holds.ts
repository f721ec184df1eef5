/** Runs a fast-check property as one assertion, whose failure prints the seed and the smallest counterexample. */
import type { Test } from 'tap'
import fc from 'fast-check'

export function holds<Ts>(t: Test, property: fc.IProperty<Ts>, parameters: fc.Parameters<Ts> = {}): void {
  const result = fc.check(property, parameters)
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `held for ${result.numRuns} cases`, {
    cause: result.errorInstance,
  })
}

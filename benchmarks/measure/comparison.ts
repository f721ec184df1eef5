/** One row of a benchmark's table: what was measured of Kindred and of a peer in the same run, and what was aimed at. */
import { median, medianRatio } from './statistics.js'
import type { Figures } from './turns.js'

export interface Comparison {
  readonly measure: string
  readonly unit: string
  /** A figure per turn; empty when it was not measured. */
  readonly kindred: readonly number[]
  readonly peer: string
  readonly theirs: readonly number[]
  readonly target?: Target
}

/** A bound on the ratio Kindred/peer, or on Kindred's own figure in the row's unit. */
export interface Target {
  readonly of: 'ratio' | 'figure'
  readonly bound: 'at least' | 'at most'
  readonly value: number
}

export function ratioAtLeast(value: number): Target {
  return { of: 'ratio', bound: 'at least', value }
}

export function ratioAtMost(value: number): Target {
  return { of: 'ratio', bound: 'at most', value }
}

export function figureAtMost(value: number): Target {
  return { of: 'figure', bound: 'at most', value }
}

/** Makes rows of figures that Kindred and a peer have under the same name; `theirs` is undefined when it did not run. */
export function rowsBeside(
  kindred: Figures,
  peer: string,
  theirs: Figures | undefined,
): (measure: string, unit: string, name: string, target?: Target) => Comparison {
  return (measure, unit, name, target) => ({
    measure,
    unit,
    kindred: kindred.of(name),
    peer,
    theirs: theirs?.of(name) ?? [],
    target,
  })
}

export const COMPARISON_HEADER = [
  'measure',
  'unit',
  'Kindred',
  'peer',
  'its figure',
  'ratio',
  'target',
  'met',
]

/** The row as texts: medians with the lowest and the highest turn behind them. */
export function comparisonRow(row: Comparison): string[] {
  const { measure, unit, kindred, peer, theirs, target } = row
  const ratio = kindred.length > 0 && theirs.length > 0 ? medianRatio(kindred, theirs) : NaN
  return [
    measure,
    unit,
    spread(kindred),
    peer,
    peer === '' ? '' : spread(theirs),
    // Not finite beside a figure of 0, such as a number of errors.
    Number.isFinite(ratio) ? ratio.toFixed(2) : '',
    target === undefined ? '' : targetText(target),
    target === undefined ? '' : verdict(row, target),
  ]
}

function spread(figures: readonly number[]): string {
  if (figures.length === 0) return 'not run'
  if (figures.length === 1) return amount(figures[0])
  return `${amount(median(figures))} (${amount(Math.min(...figures))} to ${amount(Math.max(...figures))})`
}

/** Four significant digits at least, whole numbers with separated thousands. */
export function amount(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  if (Number.isInteger(value)) return String(value)
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}

function targetText({ of, bound, value }: Target): string {
  const sign = bound === 'at least' ? '>=' : '<='
  return `${of === 'ratio' ? 'ratio ' : ''}${sign} ${amount(value)}`
}

function verdict({ kindred, theirs }: Comparison, { of, bound, value }: Target): string {
  if (kindred.length === 0 || (of === 'ratio' && theirs.length === 0)) return 'not run'
  const reached = of === 'ratio' ? medianRatio(kindred, theirs) : median(kindred)
  return (bound === 'at least' ? reached >= value : reached <= value) ? 'yes' : 'NO'
}

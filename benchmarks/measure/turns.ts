/**
 * Takes turns between contenders, A B A B …, so that a machine that grows slower or faster in the course of a run does
 * so for all of them. Each contender keeps its figures by name, one per turn.
 */

export class Figures {
  readonly #byName = new Map<string, number[]>()

  add(name: string, value: number): void {
    const values = this.#byName.get(name)
    if (values === undefined) this.#byName.set(name, [value])
    else values.push(value)
  }

  /** One figure per turn; empty for what was never added. */
  of(name: string): readonly number[] {
    return this.#byName.get(name) ?? []
  }
}

export interface Contender {
  readonly name: string
  /** One turn: measures and adds to `figures`. */
  turn(figures: Figures, turn: number): Promise<void>
}

/** Answers the figures in the order of the contenders. */
export async function takeTurns(turns: number, contenders: readonly Contender[]): Promise<Figures[]> {
  const figures = contenders.map(() => new Figures())
  for (let turn = 0; turn < turns; turn++) {
    for (const [index, contender] of contenders.entries()) {
      progress(`turn ${turn + 1} of ${turns}: ${contender.name}`)
      await contender.turn(figures[index], turn)
    }
  }
  progress('')
  return figures
}

/** Says on a terminal's standard error what goes on; standard output is for results. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  else if (text !== '') process.stderr.write(`${text}\n`)
}

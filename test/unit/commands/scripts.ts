/**
 * Commands and the replies they have to get, as lines of text:
 *
 *     ['set a "" EX 10', '+OK']        words split at spaces, "" is the empty argument
 *     ['mget a b', '*2 $0  $-1']       the reply as it comes, line ends as spaces
 *
 * Every script runs twice, with all keys at hand and with all keys cold in the first attempt of each command: the replies
 * must be the same, which proves that a handler can be run again from its start.
 */
import type { Test } from 'tap'
import { HandlerRunner } from './handler-runner.js'
import type { RunnerOptions } from './handler-runner.js'

export type Line = readonly [string, string]

export type Play = (lines: readonly Line[]) => Promise<void>

/** Runs `story` twice, as a subtest each; `play` checks lines against the story's runner. */
export async function bothWays(
  t: Test,
  title: string,
  story: (play: Play, runner: HandlerRunner, t: Test) => Promise<void>,
  options: RunnerOptions = {},
): Promise<void> {
  for (const cold of [false, true]) {
    await t.test(`${title} (${cold ? 'cold' : 'warm'} keys)`, async (t) => {
      const runner = new HandlerRunner({ ...options, cold })
      await story((lines) => play(t, runner, lines), runner, t)
    })
  }
}

async function play(t: Test, runner: HandlerRunner, lines: readonly Line[]): Promise<void> {
  for (const [command, expected] of lines) t.equal(await reply(runner, command), expected, command)
}

/** The reply to one line, as the scripts spell it. */
export async function reply(runner: HandlerRunner, command: string): Promise<string> {
  const words = command.split(' ').map((word) => (word === '""' ? '' : word))
  const text = await runner.text(...words)
  return text.replace(/\r\n$/, '').replaceAll('\r\n', ' ')
}

/** The same stream through a node and through redis-server, and where their replies differ. */
import { encodeCommand } from './resp-frames.js'
import type { RespConnection } from './resp-connection.js'
import type { Seeded } from './seeded.js'
import { sameStepReply } from './server-stream.js'
import type { Step } from './server-stream.js'
import type { WireClient } from './wire-client.js'

/** Requests of one pipeline, before its replies are waited for. */
const PIPELINE_MAX = 400
const SHOWN_LENGTH_MAX = 400

/** Text about the first reply that differs; null when none does. */
export async function firstDifference(
  steps: readonly Step[],
  ours: WireClient,
  theirs: RespConnection,
  random: Seeded,
): Promise<string | null> {
  for (let first = 0; first < steps.length;) {
    const pipeline = steps.slice(first, first + 1 + random.below(PIPELINE_MAX))
    const [ourReplies, theirReplies] = await Promise.all([
      repliesInPieces(pipeline, ours, random),
      theirs.run(pipeline.map(({ command }) => command)),
    ])
    for (const [i, step] of pipeline.entries()) {
      if (sameStepReply(step, ourReplies[i], theirReplies[i])) continue
      const before = steps.slice(Math.max(0, first + i - 5), first + i)
      return describe(first + i, before, step, ourReplies[i], theirReplies[i])
    }
    first += pipeline.length
  }
  return null
}

/** Sends a pipeline cut at random bytes, sometimes into single ones. */
async function repliesInPieces(
  pipeline: readonly Step[],
  client: WireClient,
  random: Seeded,
): Promise<Buffer[]> {
  const bytes = Buffer.concat(pipeline.map(({ command }) => encodeCommand(command).bytes))
  const replies = client.replies(pipeline.length)
  replies.catch(() => {})
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(random.pick([3, 100, 4000, 100_000]))
    await client.send(bytes.subarray(at, at + length))
    at += length
  }
  return replies
}

function describe(index: number, before: readonly Step[], step: Step, ours: Buffer, theirs: Buffer): string {
  return [
    ...before.map(({ command }, i) => `  ${index - before.length + i}: ${command.map(shown).join(' ')}`),
    `step ${index}: ${step.command.map(shown).join(' ')}`,
    ...(step.queued ?? []).map((command) => `  queued: ${command.map(shown).join(' ')}`),
    `  kindred: ${shown(ours)}`,
    `  redis:   ${shown(theirs)}`,
  ].join('\n')
}

function shown(bytes: Buffer): string {
  const text = JSON.stringify(bytes.toString('latin1', 0, SHOWN_LENGTH_MAX))
  return bytes.length > SHOWN_LENGTH_MAX ? `${text}… (${bytes.length} bytes)` : text
}

/**
 * What a message costs on a link between two nodes: messages of 150 bytes one way over 127.0.0.1, acknowledged as they come, in
 * batches of 1, 16 and 64 a turn. Two processes, so that the CPU time of each side can be read; a few batches are in flight at a
 * time, as many connections' requests are in a node.
 */
import type { ChildProcess } from 'node:child_process'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { messageOf, startChild } from './load/child.js'
import type { LinkTurn, LinkTurnResult } from './load/link-sender.js'
import { figureAtMost } from './measure/comparison.js'
import type { Comparison } from './measure/comparison.js'
import { takeTurns } from './measure/turns.js'
import type { Contender } from './measure/turns.js'

const MESSAGE_BYTES = 150
const BATCHES = [1, 16, 64]
/** Of each batch size, so that each takes about as long. */
const MESSAGES = new Map([
  [1, 200_000],
  [16, 2_000_000],
  [64, 5_000_000],
])
const IN_FLIGHT_BATCHES = 4
const MICROSECONDS_MAX = 1

export const link: Benchmark = {
  name: 'link',
  summary: 'messages between two nodes: rate and CPU of either side, in batches of 1, 16 and 64 a turn',
  minutes: 1,
  async run(options) {
    const receiver = startChild('link-receiver-entry.js')
    const port = await messageOf<number>(receiver)
    const sender = startChild('link-sender-entry.js')
    try {
      await run(sender, { port, batch: 64, messages: 500_000, messageBytes: MESSAGE_BYTES, inFlight: 4 })
      const contenders = BATCHES.map((batch) => contender(batch, port, sender, options))
      const figures = await takeTurns(options.turns, contenders)
      return {
        rows: figures.flatMap((of, index) => rows(BATCHES[index], (name) => of.of(name))),
        notes: [
          `${MESSAGE_BYTES} B a message, ${IN_FLIGHT_BATCHES} batches in flight, one ack a read; CPU is user and system time of ` +
            'the whole process, the kernel’s share of writes and reads included',
        ],
      }
    } finally {
      sender.kill()
      receiver.kill()
    }
  },
}

function rows(batch: number, of: (name: string) => readonly number[]): Comparison[] {
  const none = { peer: '', theirs: [] }
  const target = batch === 64 ? { target: figureAtMost(MICROSECONDS_MAX) } : {}
  return [
    { measure: `${batch} a turn`, unit: 'messages/s', kindred: of('rate'), ...none },
    {
      measure: `${batch} a turn, sender`,
      unit: 'CPU µs a message',
      kindred: of('sender'),
      ...none,
      ...target,
    },
    {
      measure: `${batch} a turn, receiver`,
      unit: 'CPU µs a message',
      kindred: of('receiver'),
      ...none,
      ...target,
    },
  ]
}

function contender(batch: number, port: number, sender: ChildProcess, options: BenchmarkOptions): Contender {
  const messages = scaled(MESSAGES.get(batch) ?? 0, options)
  return {
    name: `${batch} a turn`,
    async turn(figures) {
      const turn = { port, batch, messages, messageBytes: MESSAGE_BYTES, inFlight: IN_FLIGHT_BATCHES }
      const result = await run(sender, turn)
      figures.add('rate', messages / result.seconds)
      figures.add('sender', (result.senderCpuSeconds * 1e6) / messages)
      figures.add('receiver', (result.receiverCpuSeconds * 1e6) / messages)
    },
  }
}

function run(sender: ChildProcess, turn: LinkTurn): Promise<LinkTurnResult> {
  sender.send(turn)
  return messageOf<LinkTurnResult>(sender)
}

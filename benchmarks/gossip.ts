/**
 * What gossip costs and how fast it is, and how often the failure detector errs: arithmetic on virtual time, with one outcome on every
 * machine. Nodes are the pure state machines; a round is a gossip-interval (1 s), in which every member gossips once, at
 * its own moment. A network that loses packets, and peers that stand still, are modelled by lossy-link.ts.
 */
import { PHI_ACCRUAL_DEFAULTS } from '../src/membership/phi-accrual.js'
import { SimRandom } from '../src/sim/sim-random.js'
import { GossipRounds } from '../test/support/gossip-rounds.js'
import { scaled } from './benchmark.js'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { pongTimes } from './lossy-link.js'
import type { Comparison } from './measure/comparison.js'
import { figureAtMost } from './measure/comparison.js'
import { median } from './measure/statistics.js'
import { watchPeer } from './phi-watch.js'

const SIZES = [3, 10, 100, 1000]
const LOSSES = [0, 0.1]
const ROUNDS_MAX = 15
/** Changes whose way is followed, of small clusters and of the largest. */
const CHANGES = 200
const CHANGES_OF_LARGEST = 20
const LIMIT_ROUNDS = 100
const STEADY_ROUNDS = 20
const HOURS = 200
const HOUR_MS = 3_600_000
const LINK_DELAY_MS = 0.5
const PAUSE_MS = 500
const PAUSE_EVERY_MS = 10_000

const NETWORKS: readonly (readonly [what: string, lossChance: number, pauseMs: number])[] = [
  ['1 % loss', 0.01, 0],
  ['10 % loss', 0.1, 0],
  [`pauses of ${PAUSE_MS} ms`, 0, PAUSE_MS],
  [`10 % loss and pauses`, 0.1, PAUSE_MS],
]
/** phi-convict-threshold and ping-interval: the defaults, and what an operator may turn. */
const DETECTORS = [
  { threshold: 8, pingIntervalMs: 100 },
  { threshold: 12, pingIntervalMs: 100 },
  { threshold: 16, pingIntervalMs: 100 },
  { threshold: 8, pingIntervalMs: 300 },
  { threshold: 8, pingIntervalMs: 500 },
]

export const gossip: Benchmark = {
  name: 'gossip',
  summary:
    'rounds until all know, bytes a second, false positives of the failure detector, for 3 to 1,000 nodes',
  minutes: 2,
  turns: 1,
  run: (options) =>
    Promise.resolve({
      rows: SIZES.flatMap((size) => [...roundRows(size, options), bytesRow(size)]),
      tables: [
        {
          title: `The failure detector on one link, of a peer that lives, ${scaled(HOURS, options)} h each`,
          header: [
            'network',
            'threshold',
            'ping interval',
            'held down, times an hour',
            'of the time',
            'a dead peer is down after',
          ],
          rows: NETWORKS.flatMap((network) =>
            DETECTORS.map((detector) => watchRow(network, detector, options)),
          ),
        },
      ],
      notes: [
        'rounds: a change of one member until all know it, who know each other already; lost are messages of gossip, each with that chance (on the real links TCP repairs it)',
        'bytes: gossip’s messages of one member in a round in which nobody says anything, without frames (28 bytes) and TCP',
        'held down: on one link; a node of a cluster of n has n - 1 of them. Both directions lose packets; a lost packet is sent again after 200 ms, then 400, 800, and holds up those behind it: TCP without fast retransmission or tail loss probes, which repair most of it sooner',
        `pauses: of the peer, independent, one in ${PAUSE_EVERY_MS / 1000} s on average`,
      ],
    }),
}

function roundRows(size: number, options: BenchmarkOptions): Comparison[] {
  const changes = scaled(size === Math.max(...SIZES) ? CHANGES_OF_LARGEST : CHANGES, options)
  return LOSSES.flatMap((loss) => {
    const cluster = new GossipRounds(`${size} ${loss}`, size, loss)
    const random = new SimRandom(`changes ${size}`)
    cluster.roundsUntilAllKnow(0, 'start', LIMIT_ROUNDS)
    const rounds = Array.from({ length: changes }, (_, i) =>
      cluster.roundsUntilAllKnow(random.below(size), `change ${i}`, LIMIT_ROUNDS),
    )
    const measure = `${size} nodes, ${100 * loss} % loss: rounds until all know`
    const row = { unit: 'rounds', peer: '', theirs: [] }
    return [
      { ...row, measure, kindred: rounds },
      {
        ...row,
        measure: `the worst of ${changes}`,
        kindred: [Math.max(...rounds)],
        target: figureAtMost(ROUNDS_MAX),
      },
    ]
  })
}

function bytesRow(size: number): Comparison {
  const cluster = new GossipRounds(`bytes ${size}`, size)
  cluster.roundsUntilAllKnow(0, 'start', LIMIT_ROUNDS)
  const figures = Array.from({ length: STEADY_ROUNDS }, () => {
    const before = cluster.bytes
    cluster.round()
    return (cluster.bytes - before) / size
  })
  const row = { measure: `${size} nodes: sent by a node, nothing new`, unit: 'B/s', kindred: figures }
  return { ...row, peer: '', theirs: [] }
}

function watchRow(
  [what, lossChance, pauseMs]: (typeof NETWORKS)[number],
  { threshold, pingIntervalMs }: (typeof DETECTORS)[number],
  options: BenchmarkOptions,
): string[] {
  const hours = scaled(HOURS, options)
  const phi = {
    ...PHI_ACCRUAL_DEFAULTS,
    threshold,
    deviationMsMin: pingIntervalMs,
    firstIntervalMs: pingIntervalMs,
    sampleEveryMs: pingIntervalMs / 2,
  }
  const pongs = pongTimes({
    random: new SimRandom(what),
    pingIntervalMs,
    lossChance,
    pauseMs,
    pauseEveryMs: PAUSE_EVERY_MS,
    delayMs: LINK_DELAY_MS,
  })
  const { falsePositives, downMs, detectionMs } = watchPeer(phi, pongs, hours * HOUR_MS)
  return [
    what,
    String(threshold),
    `${pingIntervalMs} ms`,
    (falsePositives / hours).toFixed(2),
    `${((100 * downMs) / (hours * HOUR_MS)).toFixed(3)} %`,
    `${median(detectionMs)} ms`,
  ]
}

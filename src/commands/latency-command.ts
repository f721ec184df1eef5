/**
 * LATENCY: no events are recorded (latency-monitor-threshold is 0), so what asks for them finds none, as in a Redis with
 * monitoring off. HISTOGRAM works: durations are counted per command, where a timed call may stand for several that
 * were not timed.
 */
import { textOf } from './args.js'
import type { CommandStats } from './node-services.js'
import { DONE } from './request.js'
import type { Handler, Request } from './request.js'

const DOCTOR =
  'No latency events are recorded here. SLOWLOG GET shows the requests that took longest, LATENCY HISTOGRAM how ' +
  'long the calls of each command take.\n'

const none: Handler = ({ reply }) => {
  reply.array(0)
  return DONE
}

const reset: Handler = ({ reply }) => {
  reply.integer(0)
  return DONE
}

const doctor: Handler = ({ reply }) => {
  reply.verbatim('txt', DOCTOR)
  return DONE
}

const histogram: Handler = (request) => {
  const { reply } = request
  const wanted = wantedCommands(request)
  reply.map(wanted.length)
  for (const [name, stats] of wanted) {
    reply.bulkText(name)
    reply.map(2)
    reply.bulkText('calls')
    reply.integer(stats.calls)
    reply.bulkText('histogram_usec')
    const steps = stats.latency.cumulative()
    reply.map(steps.length)
    for (const { atMostMicroseconds, calls } of steps) {
      reply.integer(atMostMicroseconds)
      reply.integer(calls)
    }
  }
  return DONE
}

/** All commands that have been called, or the named ones; a container's name stands for all its subcommands. */
function wantedCommands(request: Request): readonly (readonly [string, CommandStats])[] {
  const called = [...request.node.stats.byCommand].filter(([, stats]) => stats.calls > 0)
  if (request.argc === 2) return called
  const wanted = []
  for (let i = 2; i < request.argc; i++) {
    const asked = textOf(request, i).toLowerCase()
    wanted.push(...called.filter(([name]) => name === asked || name.startsWith(`${asked}|`)))
  }
  return wanted
}

export const latencyHandlers: Readonly<Record<string, Handler>> = {
  'latency|doctor': doctor,
  'latency|histogram': histogram,
  'latency|history': none,
  'latency|latest': none,
  'latency|reset': reset,
}

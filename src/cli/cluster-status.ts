/** What a node knows of its cluster, as KV.STATUS answers it, and the table of it. */
import { SLOT_COUNT } from '../ring/slot.js'
import type { Reply } from '../resp/reply-parser.js'
import { textTable } from './text-table.js'

export interface MemberStatus {
  readonly name: string
  readonly id: string
  readonly address: string
  readonly port: number
  readonly smartPort: number
  /** As the asked node sees it: up, suspicious or down. */
  readonly state: string
  /** Whether the members agree that it is gone. */
  readonly failed?: boolean
  /** Names of those that hold it down. */
  readonly heldDownBy?: readonly string[]
  /** What it last said itself, null when it never did: 'running' or 'stopped', and when it was started (ms). */
  readonly status?: string | null
  readonly generation?: number | null
  /** Why it is not fit; empty when it is. */
  readonly fitness: readonly string[]
  readonly primarySlots: number
  readonly replicaSlots: number
  readonly homeSlots: number
  readonly clockOffsetMs?: number | null
  readonly keys?: number
  readonly bytes?: number
  /** What the asked node holds for it. */
  readonly handoffs?: {
    readonly hints: number
    readonly hintBytes: number
    readonly copies: number
    readonly copyBytes: number
    readonly oldestMs: number | null
    readonly possibleLosses: number
  }
}

/** Of the asked node: what it exchanges with others, and which of its ranges are not in order. */
export interface RepairStatus {
  readonly ranges: number
  readonly unjudgedRanges: number
  readonly staleRanges: number
  readonly staleReasons: readonly string[]
  /** -1 while nothing is rebuilt. */
  readonly rebuildPercent: number
  /** Ranges that KV.REPAIR has yet to do. */
  readonly demandedRanges: number
}

/** Fields beside these are passed on in JSON and not looked at. */
export interface ClusterStatus {
  /** Name of the node that was asked. */
  readonly node: string
  readonly members: readonly MemberStatus[]
  /** Null or missing where there is nobody to exchange with. */
  readonly repair?: RepairStatus | null
}

/** Reads the reply to KV.STATUS; null from a node that is in no cluster, which answers with an error. */
export function parseClusterStatus(reply: Reply | undefined): ClusterStatus | null {
  if (!Buffer.isBuffer(reply)) return null
  return JSON.parse(reply.toString('utf8')) as ClusterStatus
}

/** Whether the asked node is linked with every member, and knows a home for every slot. */
export function isWhole({ members }: ClusterStatus): boolean {
  const homes = members.reduce((sum, { homeSlots }) => sum + homeSlots, 0)
  return homes === SLOT_COUNT && members.every(({ state }) => state === 'up')
}

/** 'up', or what is the matter: 'up, unfit: disk full', 'failed, stopped in order'. */
export function healthOf({ state, failed, status, fitness }: MemberStatus): string {
  const health = [failed === true ? 'failed' : state]
  if (state === 'down' && status === 'stopped') health.push('stopped in order')
  if (fitness.length > 0) health.push(`unfit: ${fitness.join(', ')}`)
  return health.join(', ')
}

/** 'in order', or what the asked node has yet to do before all its ranges are. */
export function repairText(repair: RepairStatus): string {
  const { ranges, unjudgedRanges, staleRanges, staleReasons, rebuildPercent, demandedRanges } = repair
  const parts: string[] = []
  if (staleRanges > 0) {
    const progress = rebuildPercent < 0 ? 'waits for a replica' : `rebuilding, ${rebuildPercent} %`
    parts.push(`${staleRanges} of ${ranges} ranges stale (${staleReasons.join(', ')}): ${progress}`)
  }
  if (unjudgedRanges > 0) parts.push(`${unjudgedRanges} ranges not judged yet`)
  if (demandedRanges > 0) parts.push(`KV.REPAIR: ${demandedRanges} exchanges left`)
  return parts.length === 0 ? 'in order' : parts.join('; ')
}

/** Slots as a share of all. */
export function shareText(slots: number): string {
  return `${((100 * slots) / SLOT_COUNT).toFixed(1)} %`
}

export function clusterTable({ node, members }: ClusterStatus): string[] {
  const header = ['member', 'address', 'smart port', 'state', 'home of', 'primary of', 'copies of']
  const rows = members.map((member) => [
    member.name === node ? `${member.name} (asked)` : member.name,
    addressText({ host: member.address, port: member.port }),
    String(member.smartPort),
    healthOf(member),
    ...[member.homeSlots, member.primarySlots, member.replicaSlots].map(shareText),
  ])
  for (const [name, cell] of EXTRA_COLUMNS) {
    if (!members.some((member) => cell(member) !== '')) continue
    header.push(name)
    rows.forEach((row, i) => row.push(cell(members[i])))
  }
  return textTable(header, rows)
}

/** Shown where the node that was asked knows them of any member. */
const EXTRA_COLUMNS: readonly (readonly [string, (member: MemberStatus) => string])[] = [
  ['held down by', ({ heldDownBy }) => (heldDownBy ?? []).join(', ')],
  ['started', ({ generation }) => (typeof generation === 'number' ? timeText(generation) : '')],
  ['keys', ({ keys }) => textOf(keys)],
  ['bytes', ({ bytes }) => textOf(bytes)],
  [
    'clock',
    ({ clockOffsetMs }) => (typeof clockOffsetMs === 'number' ? `${clockOffsetMs.toFixed(1)} ms` : ''),
  ],
  ['hints for it', ({ handoffs }) => heldText(handoffs?.hints, handoffs?.hintBytes)],
  ['fallback copies for it', ({ handoffs }) => heldText(handoffs?.copies, handoffs?.copyBytes)],
  [
    'oldest',
    ({ handoffs }) =>
      typeof handoffs?.oldestMs === 'number' ? `${Math.floor(handoffs.oldestMs / 1000)} s` : '',
  ],
  ['possible losses', ({ handoffs }) => (handoffs?.possibleLosses ? String(handoffs.possibleLosses) : '')],
]

/** '2026-11-21 20:28:34', UTC. */
function timeText(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? '' : time.toISOString().slice(0, 19).replace('T', ' ')
}

/** '12 (34 kB)'; nothing where none is held. */
function heldText(count = 0, bytes = 0): string {
  return count === 0 ? '' : `${count} (${Math.ceil(bytes / 1000)} kB)`
}

function textOf(count: number | undefined): string {
  return count === undefined ? '' : String(count)
}

/** host:port, an IPv6 address in brackets. */
export function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * A connection as one line of CLIENT LIST: Redis 7.2's fields in their order, since clients and dashboards take the line
 * apart by name. What Kindred does not have (file descriptors, query buffers that are allocated ahead, pub/sub, key
 * tracking) is shown as Redis shows its absence.
 */
import { DEFAULT_USER } from './authentication.js'
import type { Session } from './session.js'

/** Roughly what the server keeps for a connection besides its buffers. */
const SESSION_BYTES = 1024

/** Without a line end. `nowMs` is clock.monotonicMs(). */
export function clientLine(session: Session, nowMs: number): string {
  const { transaction } = session
  const facts: readonly (readonly [string, string | number])[] = [
    ['id', session.id],
    ['addr', remoteAddress(session)],
    ['laddr', localAddress(session)],
    ['fd', -1],
    ['name', session.name],
    ['age', seconds(nowMs - session.connectedAtMs)],
    ['idle', seconds(nowMs - session.lastRequestAtMs)],
    ['flags', flagsOf(session)],
    ['db', 0],
    ['sub', 0],
    ['psub', 0],
    ['ssub', 0],
    ['multi', transaction === null ? -1 : transaction.queued.length],
    ['qbuf', session.queryBufferBytes],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', transaction?.queuedBytes ?? 0],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', session.outputBufferBytes > 0 ? 1 : 0],
    ['omem', session.outputBufferBytes],
    ['tot-mem', memoryOf(session)],
    ['events', session.outputBufferBytes > 0 ? 'rw' : 'r'],
    ['cmd', session.lastCommand === '' ? 'NULL' : session.lastCommand],
    ['user', DEFAULT_USER],
    ['redir', -1],
    ['resp', session.protocol],
    ['lib-name', session.libraryName],
    ['lib-ver', session.libraryVersion],
  ]
  return facts.map(([name, value]) => `${name}=${value}`).join(' ')
}

/** Bytes that a connection takes, as far as the server counts them. */
export function memoryOf(session: Session): number {
  const queuedBytes = session.transaction?.queuedBytes ?? 0
  return SESSION_BYTES + session.queryBufferBytes + session.outputBufferBytes + queuedBytes
}

/** '127.0.0.1:50312'; a colon in the address puts it into brackets. */
export function remoteAddress(session: Session): string {
  return address(session.remoteAddress, session.remotePort)
}

export function localAddress(session: Session): string {
  return address(session.localAddress, session.localPort)
}

function address(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** x in a transaction, c closing, e exempt from eviction, T does not touch; N for none of them. */
function flagsOf(session: Session): string {
  let flags = ''
  if (session.transaction !== null) flags += 'x'
  if (session.closing) flags += 'c'
  if (session.noEvict) flags += 'e'
  if (session.noTouch) flags += 'T'
  return flags === '' ? 'N' : flags
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000))
}

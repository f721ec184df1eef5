/**
 * The state of one client connection that commands read and change. The server creates it on accept and acts on what
 * commands leave in it (close, reply mode, queue) after each command.
 */
import type { LEVEL_DEFAULT, Level } from '../coordinator/consistency.js'

export interface Session {
  /** CLIENT ID: unique on this node since its start, ascending. */
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Which of the two client ports it came to: a connection never changes kind. */
  readonly listener: Listener
  /** clock.monotonicMs() at accept. */
  readonly connectedAtMs: number
  /** clock.monotonicMs() of the last request. */
  lastRequestAtMs: number
  /** Name of the last command, as COMMAND spells it ('client|list' for subcommands). */
  lastCommand: string
  name: string
  libraryName: string
  libraryVersion: string
  /** 2 or 3; HELLO changes it, and the server gives it to the reply writer before each command. */
  protocol: number
  authenticated: boolean
  /** CLIENT REPLY: 'skip' is for the next command only. */
  replyMode: 'on' | 'off' | 'skip-next' | 'skip'
  noEvict: boolean
  noTouch: boolean
  /** CLUSTER clients' READONLY: any replica may answer this connection's reads without a MOVED. */
  readsFromReplicas: boolean
  /** Levels that KV.QUORUM has set for the connection. */
  readLevel: SessionLevel
  writeLevel: SessionLevel
  /** Set by QUIT, CLIENT KILL of oneself and the like: close after the reply has left. */
  closing: boolean
  /** MULTI: the queued requests, null outside a transaction. */
  transaction: Transaction | null
  /** EXEC leaves the queued requests here: the server runs them next, in order, before anything else of the connection. */
  expansion: readonly QueuedRequest[] | null
  /** Bytes read but not yet parsed, and bytes rendered but not yet taken by the kernel (CLIENT LIST's qbuf, omem). */
  readonly queryBufferBytes: number
  readonly outputBufferBytes: number
  /** Closes the connection from outside (CLIENT KILL, timeouts). Replies that are already rendered may be lost. */
  kill(): void
}

/** LEVEL_DEFAULT: what the key's prefix or the settings say. */
export type SessionLevel = Level | typeof LEVEL_DEFAULT

/** 'plain': everything is proxied; 'smart': MOVED and CROSSSLOT, as in Redis Cluster. */
export type Listener = 'plain' | 'smart'

export interface Transaction {
  /** A queueing error makes EXEC answer EXECABORT. */
  failed: boolean
  queued: QueuedRequest[]
  /** Bytes held by `queued`, bounded by the query buffer limit. */
  queuedBytes: number
}

/** A private copy of one request's arguments. */
export interface QueuedRequest {
  readonly bytes: Buffer
  readonly offsets: Int32Array
  readonly argc: number
}

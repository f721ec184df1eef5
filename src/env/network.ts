/**
 * Connections as the node sees them, of clients and of peers: bytes arrive in a shared buffer, what is sent leaves from buffers
 * that the node owns. One interface for the real sockets and for simulated ones.
 */
export interface Network {
  /** Starts listening; resolves with the bound port (useful when `port` is 0), rejects with EADDRINUSE and the like. */
  listen(host: string, port: number, accept: (stream: Stream) => StreamHandler): Promise<Listener>
  /** Connects. Exactly one of the handler's two is called, later, unless it is cancelled before. */
  dial(host: string, port: number, timeoutMs: number, handler: DialHandler): Dialing
}

export interface DialHandler {
  /** Answers who handles the stream, on which nothing has arrived yet. */
  onConnected(stream: Stream): StreamHandler
  /** ECONNREFUSED and the like, or ETIMEDOUT after the time given. */
  onFailed(reason: string): void
}

export interface Dialing {
  /** Gives up; without effect once it is connected or has failed. */
  cancel(): void
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting; existing streams live on. Resolves once the port is free. */
  close(): Promise<void>
}

/** One connected peer. All calls are harmless after it closed. */
export interface Stream {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /**
   * Sends bytes[start, end). True when the kernel took all of it at once, so that the buffer may be reused; false when
   * the stream keeps a reference until `onDrain`.
   */
  write(bytes: Buffer, start: number, end: number): boolean
  /** Bytes handed to write() that the kernel has not taken. */
  unsentBytes(): number
  /** Stops and restarts reading. */
  pause(): void
  resume(): void
  /** Sends what is queued, then closes. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

export interface StreamHandler {
  /** `bytes[0, length)` arrived; they are the handler's only until it returns, unless it supplied the buffer itself. */
  onBytes(bytes: Buffer, length: number): void
  /** Where the next read should land; null for the buffer that all streams share. Asked after every onBytes. */
  nextBuffer(): Buffer | null
  /** Everything that write() kept has left. */
  onDrain(): void
  /** The peer will send nothing more; what is still owed to it can be written, then end() is the handler's to call. */
  onEnd(): void
  onClose(): void
}

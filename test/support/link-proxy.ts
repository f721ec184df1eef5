/**
 * A way between two nodes that a test can cut: a TCP proxy on a port of its own, through which one node dials another. It
 * passes bytes on until it is told otherwise; what it holds back comes late, not never, as on a network that is only slow.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Test } from 'tap'

export class LinkProxy {
  readonly #server: Server
  readonly #targetPort: number
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #state: 'open' | 'cut' | 'held' = 'open'

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket))
  }

  /** A proxy to a port of this machine, which ends with the test `t`. */
  static async start(t: Test, targetPort: number): Promise<LinkProxy> {
    const proxy = new LinkProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    t.teardown(() => {
      proxy.cut()
      proxy.#server.close()
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Closes what is open, with whatever is on its way, and every new connection at once. */
  cut(): void {
    this.#state = 'cut'
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Connections stay open and nothing passes, in neither direction. */
  hold(): void {
    this.#state = 'held'
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** Everything passes again, what was held first. */
  heal(): void {
    this.#state = 'open'
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  #accept(near: Socket): void {
    if (this.#state === 'cut') {
      near.destroy()
      return
    }
    const far = connect({ port: this.#targetPort, host: '127.0.0.1' })
    const pair = [near, far] as const
    this.#pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay(true)
      from.on('data', (chunk) => to.write(chunk))
      from.on('error', () => {})
      from.on('close', () => {
        to.destroy()
        this.#pairs.delete(pair)
      })
      if (this.#state === 'held') from.pause()
    }
  }
}

/**
 * The sending side of the benchmark of links. It starts a batch whenever fewer than so many are unacknowledged, each in a
 * turn of its own.
 */
import { NodeClock } from '../../src/env/node-clock.js'
import type { Hello } from '../../src/link/hello.js'
import type { PeerLink, PeerLinkUser } from '../../src/link/peer-link.js'
import { cpuSeconds } from '../measure/process-facts.js'
import { bareLinks } from './link-node.js'

export interface LinkTurn {
  readonly port: number
  readonly batch: number
  readonly messages: number
  readonly messageBytes: number
  /** Batches. */
  readonly inFlight: number
}

export interface LinkTurnResult {
  readonly seconds: number
  readonly senderCpuSeconds: number
  readonly receiverCpuSeconds: number
}

export class LinkSender implements PeerLinkUser {
  readonly #links = bareLinks('sender', {
    judge: () => null,
    onOpened: () => {},
    onRequest: () => {},
    onClosed: () => {},
  })
  readonly #clock = new NodeClock()
  readonly #payload: Buffer
  readonly #connected: Promise<number>
  #link: PeerLink | null = null
  #onConnected: (receiverPid: number) => void = () => {}
  #sent = 0
  #acked = 0
  #end = 0
  #turn: LinkTurn | null = null
  #isDue = false
  #onDone: () => void = () => {}
  readonly #sendTask = (): void => {
    this.#isDue = false
    this.#sendBatch()
  }

  constructor(port: number, messageBytes: number) {
    this.#payload = Buffer.alloc(messageBytes, 'm')
    this.#connected = new Promise((resolve) => (this.#onConnected = resolve))
    this.#link = this.#links.peer('127.0.0.1', port, this)
  }

  async run(turn: LinkTurn): Promise<LinkTurnResult> {
    const receiverPid = await this.#connected
    const before = { own: cpuSeconds(process.pid).all, theirs: cpuSeconds(receiverPid).all }
    const began = performance.now()
    this.#turn = turn
    this.#end = this.#sent + turn.messages
    await new Promise<void>((resolve) => {
      this.#onDone = resolve
      this.#sendBatch()
    })
    return {
      seconds: (performance.now() - began) / 1000,
      senderCpuSeconds: cpuSeconds(process.pid).all - before.own,
      receiverCpuSeconds: cpuSeconds(receiverPid).all - before.theirs,
    }
  }

  #sendBatch(): void {
    const link = this.#link
    const turn = this.#turn
    if (link === null || turn === null) return
    const payload = this.#payload
    for (let i = 0; i < turn.batch && this.#sent < this.#end; i++) {
      const at = link.begin(1, payload.length)
      if (at === -1) throw new Error('the link takes no more')
      payload.copy(link.bytes, at)
      this.#sent = link.end(at + payload.length)
    }
    this.#sendLater(turn)
  }

  /** Another batch in another turn, if it may be in flight. */
  #sendLater({ batch, inFlight }: LinkTurn): void {
    if (this.#isDue || this.#sent === this.#end || this.#sent - this.#acked > (inFlight - 1) * batch) return
    this.#isDue = true
    this.#clock.endOfTurn(this.#sendTask)
  }

  judge(): null {
    return null
  }

  /** The receiver's pid is its node id. */
  onConnected(_link: PeerLink, hello: Hello): void {
    this.#onConnected(Number(hello.nodeId))
  }

  onAcked(_link: PeerLink, watermark: number): void {
    this.#acked = watermark
    if (this.#acked === this.#end) this.#onDone()
    else if (this.#turn !== null) this.#sendLater(this.#turn)
  }

  onAnswer(): void {}
  onRefused(): void {}
  onState(): void {}
  onFitness(): void {}

  onLost(): void {
    throw new Error('the link was lost')
  }
}

/** Started by benchmarks/link.ts: runs the turns that it is sent, and sends back what they took. */
import { LinkSender } from './link-sender.js'
import type { LinkTurn } from './link-sender.js'

let sender: LinkSender | null = null

process.on('message', (message) => {
  const turn = message as LinkTurn
  sender ??= new LinkSender(turn.port, turn.messageBytes)
  void sender.run(turn).then((result) => process.send?.(result))
})
process.on('disconnect', () => process.exit())

/** Started by benchmarks/link.ts: looks at each message's first and last byte and acknowledges it; says on which port it listens. */
import { bareLinks } from './link-node.js'

const EXPECTED = 'm'.charCodeAt(0)

const links = bareLinks(String(process.pid), {
  judge: () => null,
  onOpened: () => {},
  onRequest: (link, _kind, bytes, start, end, sequence) => {
    if (bytes[start] !== EXPECTED || bytes[end - 1] !== EXPECTED) throw new Error('a message came garbled')
    link.acknowledge(sequence)
  },
  onClosed: () => {},
})
process.on('disconnect', () => process.exit())
process.send?.(await links.listen('127.0.0.1', 0))

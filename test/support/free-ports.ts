/** Ports for clusters of real processes, whose members have to know each other's before anybody listens. */
import { createServer } from 'node:net'
import { CLUSTER_PORT_OFFSET, SMART_PORT_OFFSET } from '../../src/node/cluster-schema.js'

const TRIES = 100
/** All of them stay below 32,768: from there on the kernel takes ports for outgoing connections, at any time. */
const LOWEST = 12_000
const HIGHEST = 22_000

/** The first of `count` ports in a row that are free on loopback, as are those that follow from them. */
export async function freePorts(count: number): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    const ports = [0, SMART_PORT_OFFSET, CLUSTER_PORT_OFFSET].flatMap((offset) => {
      return Array.from({ length: count }, (_, node) => first + offset + node)
    })
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first
  }
  throw new Error('no ports are free')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

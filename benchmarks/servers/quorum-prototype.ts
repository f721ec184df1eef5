/** The prototypes quorum.js and quorum-home.js: three processes, writes acknowledged by two of them, nothing checked, no log. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './cleanup.js'
import { probe } from './resp-client.js'
import { eventually, ServerGroup } from './server-group.js'
import { isTaken } from './server-process.js'
import { startPrototype } from './start-server.js'

export interface QuorumPrototype {
  readonly script: string
  /** Of the first of three; the script decides. Peers listen ten above. */
  readonly port: number
}

/** Any of its processes coordinates what its clients send. */
export const QUORUM_PROTOTYPE: QuorumPrototype = { script: 'quorum.js', port: 7200 }
/** A key's home coordinates, the others forward to it. */
export const QUORUM_HOME_PROTOTYPE: QuorumPrototype = { script: 'quorum-home.js', port: 7220 }

const PROCESSES = 3
const PEER_OFFSET = 10

/** Null when it can run, else why not. */
export async function whyNoPrototype(
  folder: string | null,
  { script, port }: QuorumPrototype,
): Promise<string | null> {
  if (folder === null)
    return `${script} not run: there is no folder of prototypes; name one with --prototypes DIR`
  if (!existsSync(join(folder, script))) return `${script} not run: it is not in ${folder}`
  for (let i = 0; i < PROCESSES; i++) {
    for (const one of [port + i, port + PEER_OFFSET + i]) {
      if (await isTaken(one)) return `${script} not run: port ${one} is taken`
    }
  }
  return null
}

export async function startQuorumPrototype(
  folder: string,
  { script, port }: QuorumPrototype,
  parent: string,
): Promise<ServerGroup> {
  const directory = temporaryFolder(parent, 'prototype')
  const path = join(folder, script)
  const servers = await Promise.all(
    Array.from({ length: PROCESSES }, (_, i) => startPrototype(path, port + i, directory, {}, String(i))),
  )
  await eventually(`${script} takes no writes`, async () => {
    // Its processes find each other within half a second, and what was sent before stays unanswered.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    for (const server of servers) await probe(server.port)
  })
  return new ServerGroup(script, servers, [directory])
}

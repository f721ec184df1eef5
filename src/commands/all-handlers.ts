/**
 * Every command of the node with its handler: the table and the families put together. What a family needs of the
 * registry itself (COMMAND, ACL CAT) it gets as a function, called when a request comes.
 */
import { absentFeatureHandlers } from './absent-features.js'
import { aclHandlers } from './acl-command.js'
import { clientHandlers } from './client-commands.js'
import { clusterHandlers } from './cluster-commands.js'
import { commandHandlers } from './command-command.js'
import { configHandlers } from './config-command.js'
import { connectionHandlers } from './connection-commands.js'
import { dataHandlers } from './data-handlers.js'
import { latencyHandlers } from './latency-command.js'
import type { CommandStats } from './node-services.js'
import { quorumHandlers } from './quorum-command.js'
import { CommandRegistry } from './registry.js'
import { serverHandlers } from './server-commands.js'
import { siblingsHandlers } from './siblings-command.js'
import { slowlogHandlers } from './slowlog-command.js'
import { compactHandlers } from './compact-command.js'
import { snapshotHandlers } from './snapshot-commands.js'
import { repairHandlers } from './repair-command.js'
import { statusHandlers } from './status-command.js'
import { transactionHandlers } from './transactions.js'
import { waitingHandlers } from './waiting-commands.js'

/** `statsOf` gives the counters of a command by its full name; by default the registry keeps its own. */
export function createRegistry(statsOf?: (name: string) => CommandStats): CommandRegistry {
  const registry: CommandRegistry = new CommandRegistry(
    {
      ...dataHandlers,
      ...connectionHandlers,
      ...clientHandlers,
      ...clusterHandlers,
      ...commandHandlers(() => registry),
      ...configHandlers,
      ...serverHandlers,
      ...waitingHandlers,
      ...transactionHandlers,
      ...slowlogHandlers,
      ...snapshotHandlers,
      ...repairHandlers,
      ...compactHandlers,
      ...statusHandlers,
      ...latencyHandlers,
      ...aclHandlers(() => registry),
      ...siblingsHandlers,
      ...quorumHandlers(() => registry),
      ...absentFeatureHandlers,
    },
    { statsOf },
  )
  return registry
}

/**
 * Every command of the node, as data, in the order in which COMMAND and the README list them.
 */
import { BITMAP_ROWS } from './table/bitmap-rows.js'
import { CLIENT_ROWS } from './table/client-rows.js'
import { CLUSTER_ROWS } from './table/cluster-rows.js'
import type { CommandRow } from './table/command-row.js'
import { CONNECTION_ROWS } from './table/connection-rows.js'
import { DIAGNOSTIC_ROWS } from './table/diagnostic-rows.js'
import { KEY_ROWS } from './table/key-rows.js'
import { KEYSPACE_ROWS } from './table/keyspace-rows.js'
import { VERSION_ROWS } from './table/version-rows.js'
import { SERVER_ROWS } from './table/server-rows.js'
import { STRING_ROWS } from './table/string-rows.js'
import { TRANSACTION_ROWS } from './table/transaction-rows.js'

export const COMMAND_ROWS: readonly CommandRow[] = [
  ...STRING_ROWS,
  ...BITMAP_ROWS,
  ...KEY_ROWS,
  ...KEYSPACE_ROWS,
  ...TRANSACTION_ROWS,
  ...CONNECTION_ROWS,
  ...CLIENT_ROWS,
  ...SERVER_ROWS,
  ...DIAGNOSTIC_ROWS,
  ...CLUSTER_ROWS,
  ...VERSION_ROWS,
]

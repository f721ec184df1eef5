/** What `kindred help` prints. The flags of a node come from the schema of its settings. */
import { KNOBS, knobName } from '../node/config-schema.js'
import { describeAllowed } from '../node/knob-type.js'
import type { Output } from './output.js'

export const OVERVIEW = `Kindred: a Redis-protocol key-value server.

Usage: kindred <command> [options]

  up       start three nodes on this machine, with their data under ./data, and say how to try them
  server   start a node; logs JSON lines to standard output
  status   ask a running node how it and its cluster are
  inspect  print a log, table or manifest file of a data directory
  restamp  repair the keys that a clock far ahead has given stamps from the future, in the directory of a stopped node
  repair   list what is damaged in the directory of a stopped node, and give up what is named
  snapshot have a running node, or all nodes of its cluster, keep a copy of their data; or check one
  restore  make data directories of snapshots, or bring the keys in them back into a running node
  import   write the string keys of a Redis dump into a running node
  help     explain a command: kindred help server

  --version  print the version`

const STATUS = `Usage: kindred status [options]

Asks a running node how it is, and how it sees the other members of its cluster. Ends with 0 when the node answers, with 1
when it does not.

  --host <host>          default 127.0.0.1
  --port <port>          default 7001
  --timeout <seconds>    how long to wait for the answer; default 5
  --json                 print everything that INFO says as JSON

A password is taken from the environment variable REDISCLI_AUTH, as redis-cli does.`

const INSPECT = `Usage: kindred inspect [options] <file>...
       kindred inspect windows <data directory>...

Prints what is in a log segment (*.log), a sorted table (*.table), a file of key counts (*.counts), of Merkle trees (*.trees) or a
MANIFEST, and checks it on the way. Of a log it says where it ends and why; any other file that is damaged, or cannot be read, makes
it end with 1.

Of windows it prints, by the time at which they end and are dropped: their tables, bytes, records, how many of these are flagged
(they leave a local tombstone), and what holds them.

  -e, --entries  also a line for every entry; of trees, for every hour of death`

const RESTAMP = `Usage: kindred restamp [options] <data directory>

A node whose clock was far ahead has given what it wrote stamps from the future. Other nodes refuse these records, and a key
that holds one answers writes with -CLOCK. This lists such keys in the data directory of a stopped node, with how far ahead
their newest stamp lies. With --apply it gives them stamps of now; values, times to live and deletions stay what they are.
Old versions with such stamps are removed: for that all data may be merged once, which takes time and free disk space.

Make sure that the clock is right now, and do it on every node that says so at its start. If it is interrupted, run it
again. Like a start it first brings the directory in order: the end of an unfinished write is cut off, logs become tables.

  --apply          change what is found
  --limit-ms <ms>  how far ahead of this machine's clock a stamp may lie; default 1000, twice max-clock-drift`

const REPAIR = `Usage: kindred repair [options] <data directory>

A node that has the only copy of its data does not start when a file is damaged, and answers requests for what is damaged with
an error. This reads everything in the directory of a stopped node, and lists what is damaged: the file, where, and which keys it
is about. Bring the file back from a backup if there is one.

Without one, --discard with --apply gives up what is damaged of the files that are named. The sound blocks of a table are kept, and
the entries of a log up to the damage; younger files are not touched. Keys whose newest version is lost are gone, or show an
older one. The damaged files are moved into the folder quarantine of the directory, never removed. All damage that keeps the
node from starting has to be named.

A node of a cluster with several copies does not need this: start it, and it gets from the others what is damaged. If its
MANIFEST or MEMBERS is damaged, start it with an empty directory instead.

  --discard <file>  the name of a damaged file, such as 000013.table; may be given several times
  --apply           change something`

const SNAPSHOT = `Usage: kindred snapshot [options]

Has a running node begin a snapshot: a folder of its own, by default in the folder snapshots of the data directory, which holds all that was
acknowledged before. It takes no room of its own at first, since its files are those of the node under a second name; as the node
writes its tables anew, the snapshot keeps the old ones. Copy it to another machine to be safe from the loss of this one.

With --cluster all nodes do, at about the same moment and under one name; each keeps its own. That is not one instant: of writes that
go on meanwhile some are in it and some are not, as each had its turn. What was acknowledged before the command began is.

  --host <host>        default 127.0.0.1
  --port <port>        default 7001; a plain port
  --wait               answer when the snapshot is whole; ends with 1 when it was not made
  --name <name>        what it is called; default the time. Waits
  --cluster            of every node of the cluster. Waits
  --timeout <seconds>  how long to wait for the answer; default 3600
  --verify <path>      check a snapshot instead: every file, block and record; ends with 1 when anything is wrong. May be
                       given several times

A password is taken from the environment variable REDISCLI_AUTH, as redis-cli does.`

const RESTORE = `Usage: kindred restore --into <directory> <snapshot>
       kindred restore --config <file>... <snapshot>...
       kindred restore --restamp [--host <host>] [--port <port>] <snapshot>...

Every file and block is checked on the way. Data directories are only written where there is nothing yet.

  --into <directory>  makes a data directory of one snapshot, as it was. It counts as a new one: in a running cluster the node believes
                      nothing of it and gets everything from the others, because deletions may have been purged since.
                      Fallback copies stay behind
  --config <file>     the settings of a node of a new cluster, or of a single node; once for each node that is to be written. The
                      snapshots, one of each node of the old cluster, are put together, key by key, whatever the sizes of the two
                      clusters are: siblings and times to live are kept. What each new node has a copy of is written to its dir
  --partial           go on although too few nodes' snapshots are there for all that was acknowledged
  --restamp           brings the keys back into a running node or cluster, after a FLUSHALL that was not meant: they are written
                      anew where there is no such key now. Of several siblings the newest, and the key is listed

A password is taken from the environment variable REDISCLI_AUTH, as redis-cli does.`
const IMPORT = `Usage: kindred import [options] <dump.rdb>

Writes the string keys of a dump of Redis, up to version 7.4, into a running node or cluster, with their times to live; keys that
are there already get the value of the dump. What has expired by now is left out, and so are values of other types; at the end it
says how many keys of which kind. Ends with 1 when the dump is damaged or cut off, which it says with the place, or when the
node has refused a key; it may be repeated.

  --host <host>          default 127.0.0.1
  --port <port>          a plain port, not the one for cluster clients; default 7001
  --user <name>          for a node that asks for it
  --password <password>  better taken from the environment variable REDISCLI_AUTH, as redis-cli does
  --db <number>          which of the dump's databases; default 0
  --timeout <seconds>    how long the node may be silent; default 60`

const NODE_INTRODUCTION: Readonly<Record<'server' | 'up', string>> = {
  server: `Usage: kindred server [--config FILE] [--name value ...]

Starts a node. Flags go over the file, the file over the defaults; cluster-config/node.yaml shows every setting.`,
  up: `Usage: kindred up [--nodes COUNT] [--name value ...]

Starts nodes in the foreground and says how to try them; Ctrl-C stops them all. Takes the settings of "kindred server" and
passes them on to every node. --port, --smart-port and --cluster-port are the first node's, the next one has the next
number; --dir holds a folder for each (default ./data), with the node's configuration file in it. The default of --loglevel
is warning. A node that ends by itself is said and not restarted.

With --nodes 1, or with --config FILE, it starts a single node, in ./data/node-1 unless --dir says where.

  --nodes COUNT
      How many nodes to start.
      Default 3; allowed: an integer from 1 to 16.`,
}

/** The help for a subcommand, or undefined when there is none of that name. */
export function helpFor(command: string): string | undefined {
  if (command === 'server' || command === 'up')
    return [NODE_INTRODUCTION[command], '', ...knobLines()].join('\n')
  if (command === 'status') return STATUS
  if (command === 'inspect') return INSPECT
  if (command === 'restamp') return RESTAMP
  if (command === 'repair') return REPAIR
  if (command === 'snapshot') return SNAPSHOT
  if (command === 'restore') return RESTORE
  if (command === 'import') return IMPORT
  return command === 'help' ? OVERVIEW : undefined
}

/** Prints the help of a subcommand that exists; answers the exit code. */
export function printHelp(command: string, output: Output): number {
  output.out(helpFor(command) ?? OVERVIEW)
  return 0
}

function knobLines(): string[] {
  const lines = ['  --config FILE', '      Read settings from a YAML file.']
  for (const knob of KNOBS) {
    const fallback = knob.fallback === '' ? 'empty' : knob.fallback
    const unit = knob.unit === '' ? '' : ` (${knob.unit})`
    lines.push(`  --${knobName(knob)}`, `      ${knob.reason}`)
    lines.push(`      Default ${fallback}${unit}; allowed: ${describeAllowed(knob.type)}.`)
  }
  return lines
}

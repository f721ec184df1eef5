/**
 * One command as data. Everything that anybody asks about a command comes from its row: the arity check, where the keys
 * are, COMMAND and COMMAND DOCS, ACL CAT, the HELP texts and the command list of the README. A row holds only what cannot
 * be derived; `registry.ts` derives the rest (implied categories, first/last/step) the way Redis does.
 *
 * Names, arity, flags, key specifications, tips and `since` are Redis 7.0's own, so that clients which read COMMAND see
 * no difference; summaries are ours. Several words in one text are separated by single spaces.
 */
export interface CommandRow {
  /** Lower case; for a subcommand its own word only ('list' of 'client|list'). */
  readonly name: string
  /** The arguments after the name, in the notation of `syntax.ts`; '' when there are none. */
  readonly syntax: string
  /** Arguments including the name (and the subcommand's name): exactly this many, or when negative at least -arity. */
  readonly arity: number
  readonly flags: string
  readonly effect: Effect
  /** How a request whose keys have several homes is taken apart; for commands of several keys only. */
  readonly split?: Split
  /** ACL categories beyond those that the flags imply. */
  readonly categories: string
  readonly keys?: readonly KeySpec[]
  /** Hints for proxies and cluster clients. */
  readonly tips?: string
  readonly group: CommandGroup
  /** The Redis version that has had it first. */
  readonly since: string
  readonly complexity: string
  readonly summary: string
  readonly deprecated?: { readonly since: string; readonly replacedBy: string }
  readonly docFlags?: string
  readonly subcommands?: readonly CommandRow[]
}

/**
 * What a command does to the cluster's data, which decides how its replicas have to agree:
 *
 *     read          of its keys
 *     blind-write   replaces its keys whatever they hold: appended at once. SET is one only without conditions
 *     conditional   the reply or the effect depends on what its keys hold: proposed (RULES V10)
 *     keyspace      on all keys there are
 *     node          on this node or this connection alone
 */
export type Effect = 'read' | 'blind-write' | 'conditional' | 'keyspace' | 'node'

/**
 * What becomes of a request with keys of several slots on a plain port:
 *
 *     array      one part a key; the replies become the elements of the reply
 *     sum        one part a key; the replies are added up
 *     ok         one part a key; OK when all are
 *     two-keys   the source is read, the destination written, then the source deleted if at all
 *     read-two   both values are read, then the command runs on them
 *     never      is refused
 */
export type Split = 'array' | 'sum' | 'ok' | 'two-keys' | 'read-two' | 'never'

export type CommandGroup =
  'string' | 'bitmap' | 'generic' | 'connection' | 'server' | 'transactions' | 'scripting' | 'cluster'

/** Where keys stand among the arguments (0 is the command's name), and what the command does to them. */
export interface KeySpec {
  /** 'RO', 'RW', 'OW' or 'RM', then 'access', 'update', 'insert', 'delete', 'variable_flags'. */
  readonly flags: string
  readonly first: number
  /** Relative to `first`; negative counts from the last argument (-1 is the last). Default 0. */
  readonly last?: number
  /** Default 1. */
  readonly step?: number
  readonly note?: string
}

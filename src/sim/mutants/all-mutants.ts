/** Every broken variant; see mutant.ts. */
import type { Mutant, MutantEdit } from './mutant.js'

const ACTOR_KEPT: MutantEdit = {
  file: 'node/node.js',
  find: 'new LocalKeyspace(this.#store, clock, random,',
  replace:
    'new LocalKeyspace(this.#store, clock, { next53: () => 1000 + Number(config.cluster.node.slice(5)) },',
}

const CUT = (context: string, siblings: string): string =>
  `${context}.filter((entry, _, all) => ${siblings}.some(({ actor }) => actor === entry.actor) || all.filter(({ hlc }) => hlc > entry.hlc).length < 10)`

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'quorum-of-one',
    what: 'a majority is one replica',
    edits: [
      {
        file: 'coordinator/consistency.js',
        find: 'return Math.floor(replicas / 2) + 1;',
        replace: 'return 1;',
      },
    ],
    profile: 'partitions',
  },
  {
    name: 'ack-before-sync',
    what: 'what was appended counts as durable (L1, R2)',
    edits: [
      {
        file: 'storage/store.js',
        find: 'get durableSequence() {\n        return this.#writer.durableSequence;',
        replace: 'get durableSequence() {\n        return this.#sequence;',
      },
    ],
    profile: 'power',
  },
  {
    name: 'replica-acks-before-sync',
    what: 'a replica acknowledges what it has merged before its log is synced (L1)',
    edits: [
      {
        file: 'coordinator/replica.js',
        find: 'else if (outcome >= 0) {\n            state.acks.add(sequence, outcome);',
        replace: 'else if (outcome >= 0) {\n            state.acks.add(sequence, 0);',
      },
    ],
    profile: 'power',
  },
  {
    name: 'unsynced-shown',
    what: 'a read shows what may still be lost (R2)',
    edits: [
      {
        file: 'coordinator/local-keyspace.js',
        find: 'const sequence = entrySequence(entry.bytes, entry.record);\n            if (sequence > this.#store.durableSequence)',
        replace: 'const sequence = entrySequence(entry.bytes, entry.record);\n            if (sequence < 0)',
      },
      {
        file: 'coordinator/peer-requests.js',
        find: 'const isDurable = need <= this.#store.durableSequence;',
        replace: 'const isDurable = true;',
      },
    ],
    profile: 'unsynced',
  },
  {
    name: 'actor-kept',
    what: 'a node keeps its actor over a crash (V6)',
    edits: [ACTOR_KEPT],
    profile: 'amnesia',
    seconds: 30,
  },
  {
    name: 'vectors-cut',
    what: 'contexts keep their ten newest entries only, and those of the siblings (V7)',
    edits: [
      {
        file: 'record/merge.js',
        find: 'context: joinVectors(a.context, b.context),',
        replace: `context: ${CUT('joinVectors(a.context, b.context)', 'siblings')},`,
      },
      {
        file: 'record/resolve.js',
        find: 'return { key, context, siblings: rank([sibling, ...unseen]) };',
        replace: `return { key, context: ${CUT('context', '[sibling, ...unseen]')}, siblings: rank([sibling, ...unseen]) };`,
      },
    ],
    profile: 'restarts',
    seconds: 30,
  },
  {
    name: 'winner-repaired',
    what: 'read repair writes back the winner alone (R1)',
    edits: [
      {
        file: 'coordinator/read-repair.js',
        find: "import { encodeRecord, verifyRecord } from '../record/record.js';",
        replace: "import { decodeRecord, encodeRecord, verifyRecord } from '../record/record.js';",
      },
      {
        file: 'coordinator/read-repair.js',
        find: 'this.#own = own;',
        replace:
          'if (own.length > 0) { const whole = decodeRecord(own, 0); own = Buffer.from(encodeRecord({ ...whole, siblings: whole.siblings.slice(0, 1) })); }\n        this.#own = own;',
      },
    ],
    profile: 'partitions',
  },
  {
    name: 'new-dot-compared',
    what: 'a proposal is compared with its new dot inside, by a home that keeps its actor (V10)',
    edits: [
      {
        file: 'coordinator/peer-requests.js',
        find: 'messages.baseStart(part), messages.baseCount(bytes, part), held,',
        replace:
          'contextStart(bytes, messages.partRecordStart(bytes, part)), contextCount(bytes, messages.partRecordStart(bytes, part)), held,',
      },
      ACTOR_KEPT,
    ],
    profile: 'forgotten',
    seconds: 30,
  },
  {
    name: 'flush-ignored',
    what: 'a merge does not know of FLUSHALL (P4)',
    edits: [
      {
        file: 'coordinator/peer-requests.js',
        find: 'return newest <= this.#store.flushMark ? messages.REASON_FLUSHED : 0;',
        replace: 'return 0;',
      },
      {
        file: 'coordinator/flush-marks.js',
        find: 'if (mark <= this.#store.flushMark)',
        replace: 'if (mark > 0)',
      },
    ],
    profile: 'flush',
  },
  {
    name: 'context-dropped',
    what: 'a merge keeps only the context of the siblings that are left (V1)',
    edits: [
      {
        file: 'record/merge.js',
        find: 'context: joinVectors(a.context, b.context),',
        replace:
          'context: joinVectors(a.context, b.context).filter((entry) => siblings.some((sibling) => sibling.actor === entry.actor)),',
      },
    ],
    profile: 'partitions',
  },
  {
    name: 'expiry-at-arrival',
    what: 'a time to live begins anew where a record arrives (TTL is absolute)',
    edits: [
      {
        file: 'coordinator/record-merger.js',
        find: 'mergeHashed(hash, bytes, start, end) {',
        replace:
          'mergeHashed(hash, bytes, start, end) {\n        const came = decodeRecord(bytes, start);\n        if (came.siblings.some(({ expireAtMs }) => expireAtMs > 0)) {\n            const late = this.#clock.wallMs() - (Math.floor(Math.max(...came.siblings.map(({ hlc }) => hlc)) / 4096) + Date.UTC(2025, 0, 1));\n            if (late > 5) { bytes = Buffer.concat([Buffer.alloc(64), encodeRecord({ ...came, siblings: came.siblings.map((one) => one.expireAtMs > 0 ? { ...one, expireAtMs: one.expireAtMs + late } : one) })]); start = 64; end = bytes.length; }\n        }',
      },
    ],
    profile: 'partitions',
  },
  {
    name: 'ack-before-merge',
    what: 'the watermark goes over records that wait for their predecessors (L1)',
    edits: [
      {
        file: 'coordinator/replica.js',
        find: 'state.acks.add(sequence, UNSETTLED);',
        replace: 'state.acks.add(sequence, outcome <= REFUSED ? UNSETTLED : 0);',
      },
      {
        file: 'coordinator/replica.js',
        find: 'this.#settle(owner, sequence, outcome);\n        this.#advance(owner);',
        replace: 'this.#advance(owner);',
      },
    ],
    profile: 'cold',
    seconds: 20,
  },
  {
    name: 'gates-open',
    what: 'a home mints for a key while its proposal is in flight (V10)',
    edits: [
      {
        file: 'coordinator/key-gates.js',
        find: 'return this.#gates.size > 0 && this.#gates.has(keyHash);',
        replace: 'return false;',
      },
      {
        file: 'coordinator/key-gates.js',
        find: 'return gate !== undefined && gate.holder !== operation;',
        replace: 'return false;',
      },
      {
        file: 'coordinator/key-gates.js',
        find: "assert(gate === undefined || gate.holder === operation, 'a key is held once');",
        replace: '',
      },
    ],
    profile: 'partitions',
  },
  {
    name: 'repair-not-made',
    what: 'a read is answered from the merged record, which nobody else is given (R1)',
    edits: [
      {
        file: 'coordinator/read-repair.js',
        find: 'operation.needed = isMajority ? ring.replicas - this.#required : 0;',
        replace: 'operation.needed = 0;',
      },
      {
        file: 'coordinator/read-repair.js',
        find: 'else\n                this.#sendTo(place);',
        replace: '',
      },
    ],
    profile: 'reads',
    seconds: 20,
  },
  {
    name: 'exchange-marks-only',
    what: 'an exchange is noted as complete without having merged anything (P1)',
    edits: [{ file: 'repair/exchange.js', find: 'await this.#mend(one);', replace: '' }],
    profile: 'exchanges',
  },
  {
    name: 'stale-by-absence',
    what: 'a node that was away for four hours does not believe itself (P2)',
    edits: [
      {
        file: 'repair/judging.js',
        find: 'isPurgedSince(exchangedMs, horizonMs)',
        replace:
          'isPurgedSince(exchangedMs, horizonMs) || (exchangedMs > 0 && this.#context.clock.wallMs() - exchangedMs > 4 * 3600_000)',
      },
    ],
    profile: 'absence',
  },
  {
    name: 'hint-dropped',
    what: 'what a replica missed is not kept for it (L4)',
    edits: [{ file: 'repair/hinter.js', find: 'batch.entries.push(hint);', replace: '' }],
    profile: 'hints',
  },
  {
    name: 'hint-gone-before-ack',
    what: 'a hint is deleted when it was sent, not when it was taken (L4)',
    edits: [
      {
        file: 'repair/handover.js',
        find: 'this.#inFlight.push({ entry, sequence });',
        replace: 'this.#taken.push(entry);',
      },
    ],
    profile: 'hints',
  },
  {
    name: 'purge-by-age',
    what: 'an hour of dead records is purged when it is old enough, whoever has not heard of it (P1)',
    edits: [
      {
        file: 'repair/purge-evidence.js',
        find: 'limits.push(exchange?.ownMs ?? 0, exchange?.theirsMs ?? 0, holdsNoneBeforeMs);\n        sequence = Math.min(sequence, exchange?.sequence ?? 0);',
        replace: '',
      },
    ],
    profile: 'age',
  },
]

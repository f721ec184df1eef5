/** Descriptions of tables and states for tests that need no files. */
import { NEVER_DIES } from '../../../src/record/layout.js'
import { LEVEL_ZERO } from '../../../src/storage/families.js'
import type { ManifestTable } from '../../../src/storage/manifest.js'

export function tableOf(fileNumber: number, fields: Partial<ManifestTable> = {}): ManifestTable {
  return {
    ...LEVEL_ZERO,
    fileNumber,
    sizeBytes: 1000,
    entryCount: 100,
    blockCount: 10,
    deadCount: 0,
    deletionCount: 0,
    expiringCount: 0,
    minSequence: fileNumber * 100,
    maxSequence: fileNumber * 100 + 99,
    minToken: 0,
    maxToken: 2 ** 53 - 1,
    minHlc: fileNumber * 1000,
    maxHlc: fileNumber * 1000 + 999,
    minDeathMs: NEVER_DIES,
    maxDeathMs: NEVER_DIES,
    flaggedCount: 0,
    deathQuartilesMs: [],
    purgedUntilMs: 0,
    purgedMark: 0,
    ...fields,
  }
}

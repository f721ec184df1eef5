export interface BlockCacheStats {
  hits: number
  misses: number
  evictions: number
  usedBytes: number
}

export class BlockCache {
  readonly sizeBytes: number

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes
  }

  get stats(): BlockCacheStats {
    return { hits: 0, misses: 0, evictions: 0, usedBytes: 0 }
  }
}

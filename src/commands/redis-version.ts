/**
 * The Redis that Kindred behaves like. Clients decide by it which commands and options they may send, so it names the
 * version whose replies ours are compared with; Kindred's own version goes under another name wherever it is shown.
 */
export const REDIS_VERSION = '7.0.15'

/** Pairs of keys with equal tokens, found by looking through four million keys of one slot. */
export const TWINS = [
  ['{t}b2kt', '{t}1entk'],
  ['{t}ghoz', '{t}1hq0i'],
  ['{t}il5l', '{t}221yp'],
  ['{t}j2ki', '{t}2dbjo'],
  ['{t}rbg2', '{t}2czhy'],
  ['{t}tos0', '{t}14usk'],
  ['{t}vg8d', '{t}1b1o0'],
] as const

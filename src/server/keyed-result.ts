/** What became of a request for keys, beyond the outcomes of its handler (commands/request.ts). */
import type { Outcome } from '../commands/request.js'

/** There is no room in the log. */
export const NO_ROOM = 3
/** The request has become an operation, whose reply comes in its order. */
export const PENDING = 4
/** The request has to wait until earlier ones of its connection have ended. */
export const NOT_YET = 5
/** What the request has to look at is damaged here, and another replica answers: only inside. */
export const UNREADABLE = 6
export type KeyedResult = Outcome | typeof NO_ROOM | typeof PENDING | typeof NOT_YET

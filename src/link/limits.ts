/** Every bound of the link in one place, and why it is what it is. Sizes in bytes, times in milliseconds. */

/**
 * A buffer that frames are collected in. One turn's messages usually fit; a peer that reads slowly is written to in steps of
 * this size, so a ping or an ack waits for no more than that.
 */
export const BUFFER_BYTES = 256 * 1024
/** A batch, and a piece, with their headers end here; what is behind it in a buffer belongs to pings and acks. */
export const FRAME_BYTES_MAX = 192 * 1024
/** Messages above this travel in pieces: copying more at once would hold up the turn. */
export const INLINE_MESSAGE_BYTES_MAX = 64 * 1024
/** Bytes of a large message in one frame. */
export const PIECE_BYTES_MAX = 128 * 1024
/** A record of 512 MB, its key, siblings and context. */
export const MESSAGE_BYTES_MAX = 1024 * 1024 * 1024

/** What a connection that has not proved that it knows the secret may send in one frame, its header left out. */
export const HANDSHAKE_FRAME_BYTES_MAX = 1024
/** From the first byte to the HELLO. */
export const HANDSHAKE_DEADLINE_MS = 2000
/** Connections that have not proved anything yet, at a time. */
export const UNAUTHENTICATED_MAX = 64

export const NODE_ID_BYTES_MAX = 64
export const RING_VERSION_BYTES_MAX = 128
/** State of the HELLO: member lists, horizons. */
export const HELLO_STATE_BYTES_MAX = 16 * 1024
/** State of a ping. Ten go out every second to every peer. */
export const PING_STATE_BYTES_MAX = 512
export const REASON_BYTES_MAX = 512
/** A refusal takes eight bytes of an ack; more than these wait for the next one. */
export const REFUSALS_PER_ACK_MAX = 4096

/** What may be sent and not acknowledged, per link. */
export const UNACKNOWLEDGED_BYTES_MAX = 64 * 1024 * 1024
/** An accepting side that has this many answers unsent reads no further requests until half has left. */
export const ANSWERS_PAUSE_BYTES = 1024 * 1024
/** Pings, and the timer that everything of a node's links shares. */
export const TICK_MS = 100
/** A tick that comes this much too late means that the process itself stood still. */
export const OWN_PAUSE_MS_MIN = 200
/** A connection on which nothing came for so long is given up. */
export const SILENT_MS_MAX = 5000
/** This and the longest back-off: a peer that can be reached again is linked within 1.5 s, and routed to within 2. */
export const CONNECT_TIMEOUT_MS = 1000
export const BACKOFF_MS_MIN = 50
export const BACKOFF_MS_MAX = 500

/** Of a batch, so many messages are announced before they are handed out, so that their keys can be fetched together. */
export const MESSAGES_ANNOUNCED = 32

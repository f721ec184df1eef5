/**
 * Answers to peers' requests, written onto the link that they came on. One that the link does not take now is dropped: who asked
 * has a timeout.
 */
import type { IncomingLink } from '../link/incoming-link.js'
import { INLINE_MESSAGE_BYTES_MAX } from '../link/limits.js'
import { copyBytes } from '../util/bytes.js'
import {
  ANSWER_HEAD_BYTES,
  CANNOT,
  CANNOT_BYTES,
  DIGEST_IS,
  DIGEST_IS_BYTES,
  writeAnswerHead,
  writeCannot,
  writeDigestIs,
} from './messages.js'

/** What is used of a link to answer on it. */
export type AnsweringLink = Pick<IncomingLink, 'begin' | 'bytes' | 'end' | 'endWith'>

export function sendDigest(link: AnsweringLink, request: number, first: number, second: number): void {
  const at = link.begin(DIGEST_IS, DIGEST_IS_BYTES)
  if (at >= 0) link.end(writeDigestIs(link.bytes, at, request, first, second))
}

/** A RECORD_IS or REPLY_IS with bytes[start, end), which are copied; none for a record that is absent. */
export function sendAnswer(
  link: AnsweringLink,
  kind: number,
  request: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const length = end - start
  if (length + ANSWER_HEAD_BYTES <= INLINE_MESSAGE_BYTES_MAX) {
    const at = link.begin(kind, ANSWER_HEAD_BYTES + length)
    if (at < 0) return
    writeAnswerHead(link.bytes, at, request)
    copyBytes(bytes, start, end, link.bytes, at + ANSWER_HEAD_BYTES)
    link.end(at + ANSWER_HEAD_BYTES + length)
    return
  }
  const at = link.begin(kind, ANSWER_HEAD_BYTES, length)
  if (at < 0) return
  writeAnswerHead(link.bytes, at, request)
  // What the bytes lie in, a memtable or an operation, is used again before a slow peer has read them.
  link.endWith(at + ANSWER_HEAD_BYTES, Buffer.from(bytes.subarray(start, end)), 0, length)
}

export function sendCannot(link: AnsweringLink, request: number, reason: number): void {
  const at = link.begin(CANNOT, CANNOT_BYTES)
  if (at >= 0) link.end(writeCannot(link.bytes, at, request, reason))
}

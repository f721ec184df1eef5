/**
 * Refusals of requests that name no command or have the wrong number of arguments, byte for byte as Redis 7.0 gives
 * them. They quote the client, whose bytes need not be text: each is written back as the byte it was, up to 128 of them
 * and up to the first NUL (Redis prints C strings), with line breaks as spaces.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { wrongNumberOfArguments } from './error-texts.js'
import { DONE } from './request.js'
import type { Outcome, Request } from './request.js'

const QUOTED_BYTES_MAX = 128

/** Most of an argument that any error quotes. Redis quotes it whole, which may be half a gigabyte. */
const ARGUMENT_BYTES_MAX = 1024

export function refuseUnknownCommand(
  reply: ReplyWriter,
  bytes: Buffer,
  offsets: Int32Array,
  argc: number,
): Outcome {
  let args = ''
  for (let i = 1; i < argc && args.length < QUOTED_BYTES_MAX; i++) {
    args += `'${quote(bytes, offsets, i, QUOTED_BYTES_MAX - args.length)}' `
  }
  const name = quote(bytes, offsets, 0, QUOTED_BYTES_MAX)
  return refuseQuoting(reply, `unknown command '${name}', with args beginning with: ${args}`)
}

export function refuseUnknownSubcommand(reply: ReplyWriter, bytes: Buffer, offsets: Int32Array): Outcome {
  const container = quote(bytes, offsets, 0, QUOTED_BYTES_MAX).toUpperCase()
  const subcommand = quote(bytes, offsets, 1, QUOTED_BYTES_MAX)
  return refuseQuoting(reply, `unknown subcommand '${subcommand}'. Try ${container} HELP.`)
}

/** `name` is the full name, 'client|setname'. */
export function refuseArity(reply: ReplyWriter, name: string): Outcome {
  reply.error(wrongNumberOfArguments(name))
  return DONE
}

/** A known subcommand with arguments that make no sense: the wording of handlers that count for themselves. */
export function refuseSubcommandSyntax({ reply, bytes, offsets }: Request): Outcome {
  const container = quote(bytes, offsets, 0).toUpperCase()
  const subcommand = quote(bytes, offsets, 1, QUOTED_BYTES_MAX)
  return refuseQuoting(
    reply,
    `unknown subcommand or wrong number of arguments for '${subcommand}'. Try ${container} HELP.`,
  )
}

/** Argument i as an error may quote it, one character per byte. */
export function quote(bytes: Buffer, offsets: Int32Array, i: number, bytesMax = ARGUMENT_BYTES_MAX): string {
  const start = offsets[2 * i]
  const text = bytes.toString('latin1', start, Math.min(offsets[2 * i + 1], start + bytesMax))
  const nul = text.indexOf('\0')
  return nul < 0 ? text : text.slice(0, nul)
}

/** Answers `-ERR text`, where `text` has one character per byte. */
export function refuseQuoting(reply: ReplyWriter, text: string): Outcome {
  reply.protocolError(text)
  return DONE
}

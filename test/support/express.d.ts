// What the tests use of two packages that come without types.

declare module 'express' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
  import type { Session } from 'express-session'

  export interface Request extends IncomingMessage {
    session: Session
    sessionID: string
    query: Record<string, string>
  }
  export interface Response extends ServerResponse {
    status(code: number): Response
    json(value: unknown): Response
  }
  export type Handler = (
    request: Request,
    response: Response,
    next: (error?: unknown) => void,
  ) => void | Promise<void>
  export interface Express extends RequestListener {
    use(handler: Handler): Express
    get(path: string, handler: Handler): Express
    post(path: string, handler: Handler): Express
  }
  export default function express(): Express
}

declare module 'express-session' {
  import type { Handler } from 'express'

  export interface SessionData {
    id?: string
    user?: string
    visits?: number
  }
  export interface Session extends SessionData {
    destroy(callback: (error: unknown) => void): void
    regenerate(callback: (error: unknown) => void): void
  }
  export class Store {}
  export interface SessionOptions {
    store: Store
    secret: string
    resave: boolean
    saveUninitialized: boolean
    cookie: { maxAge?: number }
  }
  export default function session(options: SessionOptions): Handler
}

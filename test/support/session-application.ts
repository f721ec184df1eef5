/** An Express 5 application with express-session and connect-redis, and browsers for it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import type { Test } from 'tap'

type Client = ReturnType<typeof newClient>

/** The types of replies follow the protocol; of the commands used here they are the same in both. */
function newClient(port: number, protocol: number) {
  return createClient({ url: `redis://127.0.0.1:${port}`, RESP: protocol as 3 })
}

export class SessionApplication {
  readonly store: RedisStore
  readonly redis: Client
  readonly url: string

  private constructor(store: RedisStore, redis: Client, url: string) {
    this.store = store
    this.redis = redis
    this.url = url
  }

  /** An application whose sessions lie behind `port`, with a lifetime in milliseconds; it ends with the test `t`. */
  static async start(t: Test, port: number, maxAge: number, protocol = 3): Promise<SessionApplication> {
    const redis = newClient(port, protocol)
    redis.on('error', () => {})
    await redis.connect()
    t.teardown(() => redis.destroy())
    const store = new RedisStore({ client: redis })
    const app = express()
    app.use(session({ store, secret: 'x', resave: false, saveUninitialized: false, cookie: { maxAge } }))
    app.post('/login', (request, response) => {
      request.session.user = request.query.user
      response.json({})
    })
    app.get('/me', (request, response) => {
      const { user } = request.session
      response.status(user === undefined ? 401 : 200).json({ user })
    })
    app.post('/visit', (request, response) => {
      request.session.visits = (request.session.visits ?? 0) + 1
      response.json({ visits: request.session.visits })
    })
    app.post('/logout', (request, response) => {
      request.session.destroy((error) => response.status(error ? 500 : 200).json({}))
    })
    const server = createServer(app)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return new SessionApplication(store, redis, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  browser(): Browser {
    return new Browser(this.url)
  }
}

/** Keeps its cookie. */
export class Browser {
  #url: string
  #cookie = ''

  constructor(url: string) {
    this.#url = url
  }

  /** Sends what follows to another application, with the same cookie. */
  goTo({ url }: SessionApplication): void {
    this.#url = url
  }

  async request(method: 'GET' | 'POST', path: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(this.#url + path, { method, headers: { cookie: this.#cookie } })
    const [cookie] = response.headers.getSetCookie()
    if (cookie !== undefined) this.#cookie = cookie.split(';')[0]
    return { status: response.status, body: await response.json() }
  }

  /** The id of the session that the cookie names. */
  get sessionId(): string {
    return /^connect\.sid=s%3A([^.]+)\./.exec(this.#cookie)?.[1] ?? ''
  }
}

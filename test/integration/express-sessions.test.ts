/** An Express 5 application with express-session and connect-redis, whose sessions lie in a node. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import type { SessionData } from 'express-session'
import { createClient } from 'redis'
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { until } from '../support/until.js'

const MAX_AGE_MS = 1_000_000
const OTHER_SESSIONS = 150

type Client = ReturnType<typeof newClient>

/** The types of replies follow the protocol; of the commands used here they are the same in both. */
function newClient(port: number, protocol: number) {
  return createClient({ url: `redis://127.0.0.1:${port}`, RESP: protocol as 3 })
}

class Application {
  readonly store: RedisStore
  readonly redis: Client
  readonly #url: string

  private constructor(store: RedisStore, redis: Client, url: string) {
    this.store = store
    this.redis = redis
    this.#url = url
  }

  static async start(t: Test, node: KindredNode, maxAge: number, protocol = 3): Promise<Application> {
    const redis = newClient(node.port, protocol)
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
    return new Application(store, redis, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  browser(): Browser {
    return new Browser(this.#url)
  }
}

/** Keeps its cookie. */
class Browser {
  readonly #url: string
  #cookie = ''

  constructor(url: string) {
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

for (const protocol of [3, 2]) {
  t.test(`sessions in RESP${protocol}: log in, change, touch, log out`, async (t) => {
    const node = await KindredNode.start(t)
    const app = await Application.start(t, node, MAX_AGE_MS, protocol)
    const { redis } = app
    const browser = app.browser()
    t.match(await browser.request('GET', '/me'), { status: 401 })
    t.match(await browser.request('POST', '/login?user=ann'), { status: 200 })
    t.match(await browser.request('GET', '/me'), { status: 200, body: { user: 'ann' } })
    t.match(await browser.request('POST', '/visit'), { body: { visits: 1 } })
    t.match(await browser.request('POST', '/visit'), { body: { visits: 2 } })

    const key = `sess:${browser.sessionId}`
    t.match(JSON.parse((await redis.get(key)) ?? ''), { user: 'ann', visits: 2 })
    t.ok((await redis.ttl(key)) > MAX_AGE_MS / 1000 - 60)
    await redis.expire(key, 50)
    await browser.request('GET', '/me')
    t.ok((await redis.ttl(key)) > MAX_AGE_MS / 1000 - 60, 'a request without changes prolongs the session')

    t.match(await browser.request('POST', '/logout'), { status: 200 })
    t.equal(await redis.exists(key), 0)
    t.match(await browser.request('GET', '/me'), { status: 401 })
  })
}

t.test('sessions are listed, counted and cleared', async (t) => {
  const node = await KindredNode.start(t)
  const app = await Application.start(t, node, MAX_AGE_MS)
  const names = Array.from({ length: OTHER_SESSIONS }, (_, i) => `user${i}`)
  const browsers = await Promise.all(
    names.map(async (name) => {
      const browser = app.browser()
      await browser.request('POST', `/login?user=${name}`)
      return browser
    }),
  )
  await app.redis.set('not a session', 'x')
  const all = (await app.store.all()) as SessionData[]
  t.same(all.map(({ user }) => user).toSorted(), names.toSorted())
  t.equal(await app.store.length(), OTHER_SESSIONS)
  const ids = (await app.store.ids()) as string[]
  t.same(ids.toSorted(), browsers.map(({ sessionId }) => sessionId).toSorted())
  await app.store.clear()
  t.equal(await app.store.length(), 0)
  t.same(await app.store.all(), [])
  t.match(await browsers[0].request('GET', '/me'), { status: 401 })
  t.equal(await app.redis.get('not a session'), 'x')
})

t.test('a session ends when its time is over', async (t) => {
  const node = await KindredNode.start(t)
  const app = await Application.start(t, node, 1_000)
  const browser = app.browser()
  await browser.request('POST', '/login?user=ann')
  const key = `sess:${browser.sessionId}`
  t.equal(await app.redis.exists(key), 1)
  // Asked of the node: a request to the application would prolong the session.
  await until('the session to end', async () => (await app.redis.exists(key)) === 0)
  t.match(await browser.request('GET', '/me'), { status: 401 })
  t.same(await app.store.ids(), [])
})

t.test('sessions outlive a node that is killed', async (t) => {
  const node = await KindredNode.start(t)
  const app = await Application.start(t, node, MAX_AGE_MS)
  const browser = app.browser()
  await browser.request('POST', '/login?user=ann')
  await node.kill9()
  await node.startAgainOnItsPort()
  t.match(await browser.request('GET', '/me'), { status: 200, body: { user: 'ann' } })
})

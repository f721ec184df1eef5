/** An Express 5 application with express-session and connect-redis, whose sessions lie in a node. */
import type { SessionData } from 'express-session'
import t from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { SessionApplication } from '../support/session-application.js'
import { until } from '../support/until.js'

const MAX_AGE_MS = 1_000_000
const OTHER_SESSIONS = 150

for (const protocol of [3, 2]) {
  t.test(`sessions in RESP${protocol}: log in, change, touch, log out`, async (t) => {
    const node = await KindredNode.start(t)
    const app = await SessionApplication.start(t, node.port, MAX_AGE_MS, protocol)
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
  const app = await SessionApplication.start(t, node.port, MAX_AGE_MS)
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
  const app = await SessionApplication.start(t, node.port, 1_000)
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
  const app = await SessionApplication.start(t, node.port, MAX_AGE_MS)
  const browser = app.browser()
  await browser.request('POST', '/login?user=ann')
  await node.kill9()
  await node.startAgainOnItsPort()
  t.match(await browser.request('GET', '/me'), { status: 200, body: { user: 'ann' } })
})

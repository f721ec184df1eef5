import t from 'tap'
import { nearestName } from '../../../src/node/nearest-name.js'

const KNOWN = ['port', 'maxclients', 'appendfsync', 'storage.segment-size']

t.test('a name with a few wrong letters is recognised', (t) => {
  t.equal(nearestName('prot', KNOWN), 'port')
  t.equal(nearestName('MaxClient', KNOWN), 'maxclients')
  t.equal(nearestName('append-fsync', KNOWN), 'appendfsync')
  t.equal(nearestName('storage.segmentsize', KNOWN), 'storage.segment-size')
  t.end()
})

t.test('a name like no other gets no guess', (t) => {
  t.equal(nearestName('replicas', KNOWN), undefined)
  t.equal(nearestName('anything', []), undefined)
  t.end()
})

import t from 'tap'
import { isSecret, secretDigest } from '../../../src/env/secret.js'

t.test('only the whole secret passes, wherever it lies in the buffer', async (t) => {
  const buffer = Buffer.from('xxsésamexx')
  const end = buffer.length - 2
  t.equal(isSecret(buffer, 2, end, 'sésame'), true)
  t.equal(isSecret(buffer, 2, end - 1, 'sésame'), false)
  t.equal(isSecret(buffer, 1, end, 'sésame'), false)
  t.equal(isSecret(buffer, 0, 0, 'sésame'), false)
  t.equal(isSecret(buffer, 2, end, ''), false)
  t.equal(isSecret(buffer, 0, 0, ''), true)
})

t.test('the digest is SHA-256 in hex', async (t) => {
  t.equal(secretDigest('sesame'), 'd0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272')
})

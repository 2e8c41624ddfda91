import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOlder } from './connection/connection.ts'
import { complaintOfCommand, complaintOfFlag, type Features, isShown } from './features.ts'

const ask = (features: Partial<Features>) => async () => ({
  ...{ apiVersion: '1.41', osType: 'linux', isExperimental: false, swarm: undefined },
  ...features,
})

test('versions are compared by their numbers', () => {
  assert.equal(isOlder('1.9', '1.24'), true)
  assert.equal(isOlder('1.41', '1.41'), false)
  assert.equal(isOlder('2.0', '1.41'), false)
})

test('what an older engine lacks is refused in words that name both versions', async () => {
  assert.equal(
    await complaintOfFlag('annotation', { since: '1.43' }, ask({})),
    '"--annotation" requires API version 1.43, but the Docker daemon API version is 1.41',
  )
  assert.equal(await complaintOfFlag('annotation', { since: '1.43' }, ask({ apiVersion: '1.43' })), undefined)
  assert.equal(
    await complaintOfCommand('berth system df', { since: '1.25' }, ask({ apiVersion: '1.24' })),
    'berth system df requires API version 1.25, but the Docker daemon API version is 1.24',
  )
})

test('help hides what needs a swarm only where the engine says that it has none', async () => {
  assert.equal(await isShown({ needsSwarm: 'manager' }, ask({})), true)
  assert.equal(await isShown({ needsSwarm: 'manager' }, ask({ swarm: { isActive: false, isManager: false } })), false)
  assert.equal(await isShown({ needsSwarm: 'active' }, ask({ swarm: { isActive: true, isManager: false } })), true)
})

test('an engine is not asked for what every engine has', async () => {
  const nobody = () => assert.fail('asked')
  assert.equal(await isShown({}, nobody), true)
  assert.equal(await complaintOfCommand('berth ps', {}, nobody), undefined)
})

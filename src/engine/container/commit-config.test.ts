import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerConfig } from '../../api/container-types.ts'
import { mergeCommitConfig } from './commit-config.ts'

const OWN: ContainerConfig = {
  ...{ User: 'own', WorkingDir: '/own', StopSignal: 'SIGINT', Env: ['a=own', 'b=own'], Cmd: ['own'] },
  ...{ Entrypoint: ['/own'], Labels: { a: 'own', b: 'own' }, ExposedPorts: { '1/tcp': {} }, Volumes: { '/own': {} } },
  ...{ Healthcheck: { Test: ['CMD', 'own'], Interval: 1, Retries: 1 } },
}

test('what is not said is the container’s', () => {
  const merged = mergeCommitConfig({}, OWN)
  for (const [key, value] of Object.entries(OWN)) assert.deepEqual(merged[key as keyof ContainerConfig], value, key)
})

test('what is said goes first; names are united', () => {
  const merged = mergeCommitConfig(
    {
      ...{ User: 'new', WorkingDir: '/new', StopSignal: 'SIGTERM', Env: ['a=new', 'c=new'], Labels: { a: 'new' } },
      ...{ ExposedPorts: { '2/tcp': {} }, Volumes: { '/new': {} } },
      ...{ Healthcheck: { Test: ['NONE'], Interval: 2 } },
    },
    OWN,
  )
  assert.deepEqual(
    [merged.User, merged.WorkingDir, merged.StopSignal, merged.Env, merged.Labels],
    ['new', '/new', 'SIGTERM', ['a=new', 'c=new', 'b=own'], { a: 'new', b: 'own' }],
  )
  assert.deepEqual(merged.ExposedPorts, { '1/tcp': {}, '2/tcp': {} })
  assert.deepEqual(merged.Volumes, { '/own': {}, '/new': {} })
  assert.deepEqual(merged.Healthcheck, { Test: ['NONE'], Interval: 2, Retries: 1 })
})

test('an entrypoint of its own takes no command of the container’s, a command alone keeps the entrypoint', () => {
  const cases: [ContainerConfig, string[] | null, string[] | null][] = [
    [{ Entrypoint: ['/new'] }, ['/new'], null],
    [{ Entrypoint: ['/new'], Cmd: ['new'] }, ['/new'], ['new']],
    [{ Cmd: ['new'] }, ['/own'], ['new']],
    [{ Entrypoint: [] }, [], ['own']],
  ]
  for (const [wanted, entrypoint, command] of cases) {
    const { Entrypoint, Cmd } = mergeCommitConfig(wanted, OWN)
    assert.deepEqual([Entrypoint, Cmd], [entrypoint, command], JSON.stringify(wanted))
  }
})

test('what neither has is empty, or not there at all', () => {
  const merged = mergeCommitConfig({}, {})
  assert.deepEqual(merged, {
    ...{ User: '', WorkingDir: '', Env: [], Labels: {}, Cmd: null, Entrypoint: null, Volumes: null },
  })
})

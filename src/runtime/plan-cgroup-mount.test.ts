import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOUNT_ATTR_RDONLY } from '../linux/constants.ts'
import { parseMountOptions } from '../linux/mount/parse-mount-options.ts'
import type { NamespaceType } from '../oci/runtime-spec.ts'
import { planCgroupMount } from './plan-cgroup-mount.ts'
import { StepList } from './step-list.ts'

const mount = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] }

/** The steps of a v2 mount in a container with these namespaces; `joined` ones are somebody else's. */
function plan(made: NamespaceType[], joined: NamespaceType[] = []) {
  const list = new StepList()
  const namespaces = [
    ...made.map((type) => ({ type })),
    ...joined.map((type) => ({ type, path: `/proc/1/ns/${type}` })),
  ]
  const input = {
    id: 'c1',
    spec: { ociVersion: '1.2.0', linux: { namespaces } },
    host: { arch: 'x86_64', cgroupVersion: 2, capabilities: 0n, lastCapability: 40 },
    rootfs: { passwd: undefined, group: undefined },
    rootfsDirectory: '/run/root',
    cgroup: { steps: [], directory: '/sys/fs/cgroup/c1' },
    stdin: false,
  } as const
  planCgroupMount(list, input, { mount, options: parseMountOptions(mount.options), destination: mount.destination })
  return list.steps
}

test('v2: with a namespace of its own, or without a user namespace, a container gets a mount of its own', () => {
  for (const made of [['mount'], ['mount', 'cgroup'], ['mount', 'user', 'cgroup']] satisfies NamespaceType[][])
    assert.deepEqual(
      plan(made).map(({ op, skipOn }) => [op, skipOn]),
      [
        ['make-path', undefined],
        ['fs-mount', undefined],
        ['move-mount', undefined],
      ],
      made.join(),
    )
})

test('v2: what the kernel refuses in a user namespace is a clone instead, as read-only as asked for', () => {
  const cases: [NamespaceType[], string][] = [
    [[], '/sys/fs/cgroup'],
    [['cgroup'], '/sys/fs/cgroup/c1'],
  ]
  for (const [joined, path] of cases) {
    const steps = plan(['mount', 'user'], joined)
    assert.deepEqual(
      steps.map(({ op }) => op),
      ['make-path', 'open-tree', 'fs-mount', 'mount-setattr', 'move-mount'],
    )
    const [, clone, own, attributes] = steps
    assert.ok(clone?.op === 'open-tree' && clone.path === path && !clone.recursive)
    assert.deepEqual(own?.skipOn, { errnos: [1, 16], skip: 0 })
    assert.ok(attributes?.op === 'mount-setattr' && attributes.set === BigInt(MOUNT_ATTR_RDONLY))
  }
})

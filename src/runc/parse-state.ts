// A state file back into a record. It is ours, but a disk or an older version may have made it something else.
import { Failure } from '../base/failure.ts'
import type { CgroupRecord } from '../linux/cgroup/cgroup.ts'
import {
  booleanOf,
  listOf,
  numberOf,
  objectOf,
  optional,
  parseJsonObject,
  stringMapOf,
  stringOf,
} from '../oci/json-shape.ts'
import { checkRuntimeSpec } from '../runtime/parse-runtime-spec.ts'
import type { ContainerRecord } from './state-store.ts'

export function parseState(text: string): ContainerRecord {
  const state = parseJsonObject(Buffer.from(text), 'state')
  const ours = objectOf(state['berth'], 'berth')
  if (ours['version'] !== 1) throw new Failure('data-loss', `berth.version: ${String(ours['version'])} is not known`)
  const maker = objectOf(ours['maker'], 'berth.maker')
  return {
    version: 1,
    id: stringOf(state['id'], 'id'),
    bundle: stringOf(ours['bundle'], 'berth.bundle'),
    rootfs: stringOf(ours['rootfs'], 'berth.rootfs'),
    created: stringOf(state['created'], 'created'),
    pid: numberOf(state['init_process_pid'], 'init_process_pid'),
    startTicks: numberOf(state['init_process_start'], 'init_process_start'),
    maker: { pid: numberOf(maker['pid'], 'maker.pid'), startTicks: numberOf(maker['startTicks'], 'maker.startTicks') },
    isCreated: booleanOf(ours['isCreated'], 'berth.isCreated'),
    isRootless: booleanOf(ours['isRootless'], 'berth.isRootless'),
    cgroup: optional(ours['cgroup'], 'berth.cgroup', parseCgroup),
    startFailures: stringMapOf(ours['startFailures'], 'berth.startFailures'),
    resctrlGroup: optional(ours['resctrlGroup'], 'berth.resctrlGroup', stringOf),
    criuExternals: listOf(ours['criuExternals'], 'berth.criuExternals', stringOf),
    spec: checkRuntimeSpec(ours['spec']),
  }
}

function parseCgroup(value: unknown, what: string): CgroupRecord {
  const record = objectOf(value, what)
  const systemd = optional(record['systemd'], `${what}.systemd`, objectOf)
  const version = record['version']
  if (version !== 1 && version !== 2) throw new Failure('data-loss', `${what}.version: not 1 or 2`)
  return {
    version,
    path: stringOf(record['path'], `${what}.path`),
    paths: stringMapOf(record['paths'], `${what}.paths`),
    rootless: booleanOf(record['rootless'], `${what}.rootless`),
    ...(systemd === undefined
      ? {}
      : {
          systemd: {
            unit: stringOf(systemd['unit'], `${what}.systemd.unit`),
            isUser: booleanOf(systemd['isUser'], `${what}.systemd.isUser`),
          },
        }),
  }
}

// `features` (runtime-spec, features.md): from the very tables by which the rest of the code decides.
import { CAPABILITIES } from '../linux/caps/capabilities.ts'
import { knownMountOptions } from '../linux/mount/parse-mount-options.ts'
import { ACTIONS } from '../linux/seccomp/actions.ts'
import { ABIS } from '../linux/seccomp/compile-seccomp.ts'
import { OPERATORS } from '../linux/seccomp/conditions.ts'
import { FLAGS } from '../linux/seccomp/filter-flags.ts'
import { NAMESPACE_FLAG } from '../runtime/plan-namespaces.ts'
import type { Command } from './command.ts'
import { print } from './output.ts'
import { NAME, SPEC_VERSION, SPEC_VERSION_LEAST, VERSION } from './version.ts'

const HOOKS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']
const on = { enabled: true }

export const features: Command = () => {
  print(`${JSON.stringify(describeFeatures(), null, 4)}\n`)
  return 0
}

/** The document of `features`. */
export function describeFeatures(): object {
  const flags = Object.keys(FLAGS).sort()
  return {
    ociVersionMin: SPEC_VERSION_LEAST,
    ociVersionMax: SPEC_VERSION,
    hooks: HOOKS,
    mountOptions: knownMountOptions(),
    linux: {
      namespaces: Object.keys(NAMESPACE_FLAG).sort(),
      capabilities: CAPABILITIES.map(capabilityName),
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        ...on,
        actions: Object.keys(ACTIONS).sort(),
        operators: Object.keys(OPERATORS).sort(),
        archs: Object.keys(ABIS).sort(),
        knownFlags: flags,
        supportedFlags: flags,
      },
      apparmor: on,
      selinux: on,
      mountExtensions: { idmap: on },
      netDevices: on,
    },
    annotations: { [`org.berth.${NAME}.version`]: VERSION },
  }
}

function capabilityName(name: string): string {
  return name.startsWith('CAP_') ? name : `CAP_${name}`
}

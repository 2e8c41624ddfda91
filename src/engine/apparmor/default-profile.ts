// The AppArmor profile of containers that name none: what no container needs of /proc, /sys and mount(2), whatever capabilities it was given.

export interface ProfileFacts {
  name: string
  /** The profile that this daemon runs under, which may send signals. */
  daemonProfile: string
  /** Files that a complete installation of AppArmor has in its configuration directory. */
  hasTunables: boolean
  hasAbstractions: boolean
}

const WRITE = 'wklx'
const ALL = `r${WRITE}`

/** Patterns of all paths below `base` that do not begin with `kept`: one for each letter that may differ first. */
export function allBut(base: string, kept: string): string[] {
  return [...kept].map((letter, at) => `${base}${kept.slice(0, at)}[^${letter}]**`)
}

/** What containers may not do to files. A denial counts more than any permission. */
export const DENIED_FILES: readonly { paths: readonly string[]; access: string; reason: string }[] = [
  { reason: 'files directly in /proc', access: 'w', paths: ['@{PROC}/*'] },
  {
    reason: "what is in /proc beside the processes' own directories and sys",
    access: 'w',
    paths: ['[^1-9s]*', 's[^y]*', 'sy[^s]*', 'sys[^/]*'].map((name) => `@{PROC}/${name}/**`),
  },
  { reason: "of sysctls, all but shared memory's", access: 'w', paths: allBut('@{PROC}/sys/', 'kernel/shm') },
  { reason: 'the whole machine', access: ALL, paths: ['@{PROC}/sysrq-trigger', '@{PROC}/kcore'] },
  { reason: 'of /sys, all but control groups', access: WRITE, paths: allBut('/sys/', 'fs/cgroup') },
  {
    reason: "the machine's firmware, what its power tells of others, and this kind of rules itself",
    access: ALL,
    paths: ['/sys/firmware/**', '/sys/devices/virtual/powercap/**', '/sys/kernel/security/**'],
  },
]

/** Text for apparmor_parser(8), apparmor.d(5). Throws where a name could end the rule that it stands in. */
export function defaultProfile(facts: ProfileFacts): string {
  const { name, daemonProfile, hasTunables, hasAbstractions } = facts
  for (const word of [name, daemonProfile])
    if (!/^[\w./+@:-]+$/.test(word)) throw new Error(`not the name of an AppArmor profile: ${JSON.stringify(word)}`)
  const denied = DENIED_FILES.flatMap(({ reason, access, paths }) => [
    `# ${reason}`,
    ...paths.map((path) => `deny ${path} ${access},`),
  ])
  const rules = [
    ...(hasAbstractions ? ['#include <abstractions/base>'] : []),
    '# Capabilities and namespaces say what a container may do; the denials below hold beside them.',
    ...['network,', 'capability,', 'file,', 'umount,'],
    '# Who stops it: the host, the daemon, and runtimes that run under a profile of their own.',
    ...['unconfined', 'runc', 'crun'].map((peer) => `signal (receive) peer=${peer},`),
    ...(['unconfined', 'runc', 'crun'].includes(daemonProfile) ? [] : [`signal (receive) peer="${daemonProfile}",`]),
    '# Its processes among each other.',
    `signal (send, receive) peer=${name},`,
    `ptrace (trace, read, tracedby, readby) peer=${name},`,
    'deny mount,',
    ...denied,
  ]
  return [
    hasTunables ? '#include <tunables/global>' : '@{PROC}=/proc/',
    '',
    `profile ${name} flags=(attach_disconnected, mediate_deleted) {`,
    ...rules.map((rule) => `  ${rule}`),
    '}',
    '',
  ].join('\n')
}

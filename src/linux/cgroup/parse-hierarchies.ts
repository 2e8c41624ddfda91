// Which control group hierarchies this machine has mounted, from /proc/self/mountinfo (proc(5)).

export interface Hierarchies {
  /** v1: one entry a hierarchy; `name` is its directory below /sys/fs/cgroup, `name=systemd` has no controllers but a title. */
  v1: { name: string; controllers: string[]; title: string | undefined; mountpoint: string; root: string }[]
  /** Where cgroup2 is mounted: everything (v2), or nothing but the tree itself (hybrid). */
  unified: string | undefined
  /** The group that is seen at that mount point: `/` but in a container without a cgroup namespace. */
  unifiedRoot: string
}

const V1_CONTROLLERS = new Set([
  ...['blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'hugetlb', 'memory', 'misc', 'net_cls', 'net_prio'],
  ...['perf_event', 'pids', 'rdma'],
])

/** Hierarchies that are mounted twice count once; so do those of which only a part is mounted (root not `/`), as in a container. */
export function parseHierarchies(mountinfo: string): Hierarchies {
  const found: Hierarchies = { v1: [], unified: undefined, unifiedRoot: '/' }
  const seen = new Map<string, string>()
  for (const line of mountinfo.split('\n')) {
    if (line === '') continue
    const [before = '', after = ''] = line.split(' - ')
    const [root = '/', mountpoint = ''] = before.split(' ').slice(3, 5).map(unescapePath)
    // What is mounted over a directory hides what was mounted below it before.
    found.v1 = found.v1.filter((hierarchy) => !hierarchy.mountpoint.startsWith(`${mountpoint}/`))
    if (found.unified?.startsWith(`${mountpoint}/`)) found.unified = undefined
    const [fstype, , superOptions = ''] = after.split(' ')
    if (fstype === 'cgroup2' && found.unified === undefined) {
      found.unified = mountpoint
      found.unifiedRoot = root
    }
    if (fstype !== 'cgroup') continue
    const options = superOptions.split(',')
    const controllers = options.filter((option) => V1_CONTROLLERS.has(option))
    const title = options.find((option) => option.startsWith('name='))
    const key = title ?? controllers.join(',')
    if (key === '' || found.v1.some((hierarchy) => hierarchy.mountpoint === seen.get(key))) continue
    seen.set(key, mountpoint)
    found.v1.push({ name: mountpoint.slice(mountpoint.lastIndexOf('/') + 1), controllers, title, mountpoint, root })
  }
  return found
}

/** v1 as soon as a single controller is mounted that way: what v1 has, v2 cannot have. */
export function versionOf(hierarchies: Hierarchies): 1 | 2 {
  return hierarchies.v1.some(({ controllers }) => controllers.length > 0) || hierarchies.unified === undefined ? 1 : 2
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

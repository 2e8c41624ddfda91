// The `o` of a local volume as mount(2) takes it: flags, and the rest as data for the file system.
import {
  MS_BIND,
  MS_DIRSYNC,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
} from '../../linux/constants.ts'

interface FlagWord {
  flag: number
  isCleared?: boolean
}

const set = (flag: number): FlagWord => ({ flag })
const clear = (flag: number): FlagWord => ({ flag, isCleared: true })

const WORDS: Readonly<Record<string, FlagWord>> = {
  defaults: set(0),
  ro: set(MS_RDONLY),
  rw: clear(MS_RDONLY),
  suid: clear(MS_NOSUID),
  nosuid: set(MS_NOSUID),
  dev: clear(MS_NODEV),
  nodev: set(MS_NODEV),
  exec: clear(MS_NOEXEC),
  noexec: set(MS_NOEXEC),
  sync: set(MS_SYNCHRONOUS),
  async: clear(MS_SYNCHRONOUS),
  dirsync: set(MS_DIRSYNC),
  remount: set(MS_REMOUNT),
  atime: clear(MS_NOATIME),
  noatime: set(MS_NOATIME),
  diratime: clear(MS_NODIRATIME),
  nodiratime: set(MS_NODIRATIME),
  relatime: set(MS_RELATIME),
  norelatime: clear(MS_RELATIME),
  strictatime: set(MS_STRICTATIME),
  nostrictatime: clear(MS_STRICTATIME),
  bind: set(MS_BIND),
  rbind: set(MS_BIND | MS_REC),
  unbindable: set(MS_UNBINDABLE),
  runbindable: set(MS_UNBINDABLE | MS_REC),
  private: set(MS_PRIVATE),
  rprivate: set(MS_PRIVATE | MS_REC),
  shared: set(MS_SHARED),
  rshared: set(MS_SHARED | MS_REC),
  slave: set(MS_SLAVE),
  rslave: set(MS_SLAVE | MS_REC),
}

const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE

export interface MountStep {
  source: string | undefined
  fstype: string | undefined
  flags: number
  data: string | undefined
}

/** The calls of mount(2) one after the other, as mount(8) makes them: propagation, and read-only of a bind, take one of their own. */
export function planMount(request: { device: string; type: string; options: string }): MountStep[] {
  const { flags, data } = parseOptions(request.options)
  const own = flags & ~PROPAGATION
  const change = (more: number): MountStep => ({ source: undefined, fstype: undefined, flags: more, data: undefined })
  const steps: MountStep[] = [
    { source: request.device, fstype: request.type, flags: own, data: data === '' ? undefined : data },
  ]
  if ((flags & PROPAGATION) !== 0) steps.push(change(flags & (PROPAGATION | MS_REC)))
  if ((own & (MS_BIND | MS_RDONLY)) === (MS_BIND | MS_RDONLY)) steps.push(change(own | MS_REMOUNT))
  return steps
}

function parseOptions(text: string): { flags: number; data: string } {
  let flags = 0
  const data: string[] = []
  for (const word of text.split(',').filter((each) => each !== '')) {
    const known = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined
    if (known === undefined) data.push(word)
    else flags = known.isCleared ? flags & ~known.flag : flags | known.flag
  }
  return { flags, data: data.join(',') }
}

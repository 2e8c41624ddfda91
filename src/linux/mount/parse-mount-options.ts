// The options of a mount (runtime-spec, config.md "Linux mount options"), sorted by what they act on.
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from '../constants.ts'

export interface AttributeEdit {
  set: number
  clear: number
}

export interface MountOptions {
  bind: 'none' | 'one' | 'recursive'
  /** Of this mount alone. */
  own: AttributeEdit
  /** Of this mount and all below it (`rro` and its kin; kernel 5.12). */
  recursive: AttributeEdit
  /** MS_PRIVATE and its kin; the last one given counts. */
  propagation: { kind: number; recursive: boolean } | undefined
  /** For the file system itself, through fsconfig(2). */
  data: (readonly [key: string, value: string | undefined])[]
  /** Options that ask for what is not done here: remount, idmap, tmpcopyup. */
  unsupported: string[]
}

const ATTRIBUTE: Record<string, AttributeEdit> = {
  ro: { set: MOUNT_ATTR_RDONLY, clear: 0 },
  rw: { set: 0, clear: MOUNT_ATTR_RDONLY },
  nosuid: { set: MOUNT_ATTR_NOSUID, clear: 0 },
  suid: { set: 0, clear: MOUNT_ATTR_NOSUID },
  nodev: { set: MOUNT_ATTR_NODEV, clear: 0 },
  dev: { set: 0, clear: MOUNT_ATTR_NODEV },
  noexec: { set: MOUNT_ATTR_NOEXEC, clear: 0 },
  exec: { set: 0, clear: MOUNT_ATTR_NOEXEC },
  nodiratime: { set: MOUNT_ATTR_NODIRATIME, clear: 0 },
  diratime: { set: 0, clear: MOUNT_ATTR_NODIRATIME },
  nosymfollow: { set: MOUNT_ATTR_NOSYMFOLLOW, clear: 0 },
  symfollow: { set: 0, clear: MOUNT_ATTR_NOSYMFOLLOW },
  // The access time modes are one field: setting one means clearing the field (mount_setattr(2)).
  relatime: { set: 0, clear: MOUNT_ATTR__ATIME },
  noatime: { set: MOUNT_ATTR_NOATIME, clear: MOUNT_ATTR__ATIME },
  strictatime: { set: MOUNT_ATTR_STRICTATIME, clear: MOUNT_ATTR__ATIME },
  atime: { set: 0, clear: MOUNT_ATTR__ATIME },
  norelatime: { set: MOUNT_ATTR_STRICTATIME, clear: MOUNT_ATTR__ATIME },
  nostrictatime: { set: 0, clear: MOUNT_ATTR__ATIME },
}

const PROPAGATION: Record<string, number> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
}

/** The kernel's defaults, and flags that no longer do anything. */
const IGNORED = new Set(['defaults', 'async', 'loud', 'nomand', 'mand', 'noiversion', 'nolazytime', 'acl', 'noacl'])
const UNSUPPORTED = new Set(['remount', 'idmap', 'ridmap', 'tmpcopyup'])

/** Later options win over earlier ones. Nothing is refused here: `data` is the file system's to judge. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed: MountOptions = {
    bind: 'none',
    own: { set: 0, clear: 0 },
    recursive: { set: 0, clear: 0 },
    propagation: undefined,
    data: [],
    unsupported: [],
  }
  for (const option of options) {
    const recursiveName = option.startsWith('r') ? option.slice(1) : ''
    if (option === 'bind') parsed.bind = 'one'
    else if (option === 'rbind') parsed.bind = 'recursive'
    else if (Object.hasOwn(ATTRIBUTE, option)) apply(parsed.own, ATTRIBUTE[option]!)
    else if (Object.hasOwn(PROPAGATION, option)) parsed.propagation = { kind: PROPAGATION[option]!, recursive: false }
    else if (Object.hasOwn(PROPAGATION, recursiveName))
      parsed.propagation = { kind: PROPAGATION[recursiveName]!, recursive: true }
    else if (Object.hasOwn(ATTRIBUTE, recursiveName)) apply(parsed.recursive, ATTRIBUTE[recursiveName]!)
    else if (UNSUPPORTED.has(option) || option.startsWith('idmap=') || option.startsWith('ridmap='))
      parsed.unsupported.push(option)
    else if (!IGNORED.has(option)) parsed.data.push(splitOption(option))
  }
  return parsed
}

function apply(edit: AttributeEdit, more: AttributeEdit): void {
  edit.set = (edit.set & ~more.clear) | more.set
  edit.clear = (edit.clear & ~more.set) | more.clear
}

function splitOption(option: string): readonly [string, string | undefined] {
  const equals = option.indexOf('=')
  return equals < 0 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)]
}

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
  /** Changes what is mounted there already. */
  isRemount: boolean
  /** Of this mount alone. */
  own: AttributeEdit
  /** An option on the mount itself was given, whatever it says: a bind mount then has those and no others, as mount(8) has it. */
  isOwnGiven: boolean
  /** Of this mount and all below it (`rro` and its kin; kernel 5.12). */
  recursive: AttributeEdit
  /** MS_PRIVATE and its kin, in order: a slave that is shared is both. */
  propagation: { kind: number; recursive: boolean }[]
  /** What every file system understands: sync, dirsync, lazytime and their opposites. */
  superblock: string[]
  /** For the file system itself, through fsconfig(2). */
  data: (readonly [key: string, value: string | undefined])[]
  idmap: 'none' | 'one' | 'recursive'
  /** A tmpfs that begins with what was in the directory it covers. */
  copiesUp: boolean
  /** Options that the kernel does not know any more. */
  obsolete: string[]
}

const ATTRIBUTE: Readonly<Record<string, AttributeEdit>> = {
  ro: { set: MOUNT_ATTR_RDONLY, clear: 0 },
  rw: { set: 0, clear: MOUNT_ATTR_RDONLY },
  nosuid: { set: MOUNT_ATTR_NOSUID, clear: 0 },
  suid: { set: 0, clear: MOUNT_ATTR_NOSUID },
  nodev: { set: MOUNT_ATTR_NODEV, clear: 0 },
  dev: { set: 0, clear: MOUNT_ATTR_NODEV },
  noexec: { set: MOUNT_ATTR_NOEXEC, clear: 0 },
  exec: { set: 0, clear: MOUNT_ATTR_NOEXEC },
  nosymfollow: { set: MOUNT_ATTR_NOSYMFOLLOW, clear: 0 },
  symfollow: { set: 0, clear: MOUNT_ATTR_NOSYMFOLLOW },
}

/** How access times are kept: for a mount alone these are flags that mount(2) combines, see `settleAccessTimes`. */
type AccessTime = 'noatime' | 'relatime' | 'strictatime' | 'nodiratime'
const ACCESS_TIME: Readonly<Record<string, readonly [flag: AccessTime, isSet: boolean]>> = {
  noatime: ['noatime', true],
  atime: ['noatime', false],
  relatime: ['relatime', true],
  norelatime: ['relatime', false],
  strictatime: ['strictatime', true],
  nostrictatime: ['strictatime', false],
  nodiratime: ['nodiratime', true],
  diratime: ['nodiratime', false],
}

/** For a tree the modes are one field of mount_setattr(2): setting one means clearing the field. */
const RECURSIVE: Readonly<Record<string, AttributeEdit>> = {
  ...ATTRIBUTE,
  nodiratime: { set: MOUNT_ATTR_NODIRATIME, clear: 0 },
  diratime: { set: 0, clear: MOUNT_ATTR_NODIRATIME },
  relatime: { set: 0, clear: MOUNT_ATTR__ATIME },
  noatime: { set: MOUNT_ATTR_NOATIME, clear: MOUNT_ATTR__ATIME },
  strictatime: { set: MOUNT_ATTR_STRICTATIME, clear: MOUNT_ATTR__ATIME },
  atime: { set: 0, clear: MOUNT_ATTR__ATIME },
  norelatime: { set: MOUNT_ATTR_STRICTATIME, clear: MOUNT_ATTR__ATIME },
  nostrictatime: { set: 0, clear: MOUNT_ATTR__ATIME },
}

const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
}

/** By the option that each takes back. */
const SUPERBLOCK: Readonly<Record<string, string | undefined>> = {
  sync: 'async',
  async: 'sync',
  lazytime: 'nolazytime',
  nolazytime: 'lazytime',
  dirsync: undefined,
}

/** Words about mount(8) itself. */
const SILENT = new Set(['defaults', 'silent', 'loud'])
/** Gone from the kernel (mandatory locks in 5.15), or never an option of the mount interface that this uses. */
const OBSOLETE = new Set(['mand', 'nomand', 'iversion', 'noiversion'])

/** Every name that is understood here, for `features`; all others are the file system's. */
export function knownMountOptions(): string[] {
  const own = [...Object.keys(ATTRIBUTE), ...Object.keys(ACCESS_TIME)]
  const trees = [...Object.keys(RECURSIVE), ...Object.keys(PROPAGATION)].map((name) => `r${name}`)
  const others = ['bind', 'rbind', 'remount', 'idmap', 'ridmap', 'tmpcopyup', ...SILENT, ...OBSOLETE]
  return [...own, ...trees, ...Object.keys(PROPAGATION), ...Object.keys(SUPERBLOCK), ...others].sort()
}

/** Later options win over earlier ones. Nothing is refused here: `data` is the file system's to judge. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed: MountOptions = {
    bind: 'none',
    isRemount: false,
    own: { set: 0, clear: 0 },
    isOwnGiven: false,
    recursive: { set: 0, clear: 0 },
    propagation: [],
    superblock: [],
    data: [],
    idmap: 'none',
    copiesUp: false,
    obsolete: [],
  }
  const accessTimes = new Set<AccessTime>()
  for (const option of options.flatMap(splitAtCommas)) {
    if (!takeWord(parsed, option) && !takeFlag(parsed, accessTimes, option) && !takePropagation(parsed, option))
      parsed.data.push(splitOption(option))
  }
  settleAccessTimes(parsed, accessTimes)
  return parsed
}

function takeWord(parsed: MountOptions, option: string): boolean {
  if (option === 'bind') parsed.bind = 'one'
  else if (option === 'rbind') parsed.bind = 'recursive'
  else if (option === 'remount') parsed.isRemount = true
  else if (option === 'idmap') parsed.idmap = 'one'
  else if (option === 'ridmap') parsed.idmap = 'recursive'
  else if (option === 'tmpcopyup') parsed.copiesUp = true
  else if (OBSOLETE.has(option)) parsed.obsolete.push(option)
  else return SILENT.has(option) || option === ''
  return true
}

function takeFlag(parsed: MountOptions, accessTimes: Set<AccessTime>, option: string): boolean {
  const attribute = own(ATTRIBUTE, option)
  const accessTime = own(ACCESS_TIME, option)
  const recursive = option.startsWith('r') ? own(RECURSIVE, option.slice(1)) : undefined
  if (attribute !== undefined) apply(parsed.own, attribute)
  else if (accessTime?.[1] === true) accessTimes.add(accessTime[0])
  else if (accessTime !== undefined) accessTimes.delete(accessTime[0])
  else if (Object.hasOwn(SUPERBLOCK, option))
    parsed.superblock = [...parsed.superblock.filter((name) => name !== SUPERBLOCK[option]), option]
  else if (recursive !== undefined) {
    apply(parsed.recursive, recursive)
    return true
  } else return false
  parsed.isOwnGiven = true
  return true
}

function takePropagation(parsed: MountOptions, option: string): boolean {
  const one = own(PROPAGATION, option)
  const tree = option.startsWith('r') ? own(PROPAGATION, option.slice(1)) : undefined
  const kind = one ?? tree
  if (kind !== undefined) parsed.propagation.push({ kind, recursive: one === undefined })
  return kind !== undefined
}

/** As mount(2) does: strictatime beats noatime, any of the flags means relatime unless it says otherwise, none leaves things as they are. */
function settleAccessTimes({ own }: MountOptions, flags: ReadonlySet<AccessTime>): void {
  if (flags.size === 0) return
  own.clear |= MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME
  if (flags.has('strictatime')) own.set |= MOUNT_ATTR_STRICTATIME
  else if (flags.has('noatime')) own.set |= MOUNT_ATTR_NOATIME
  if (flags.has('nodiratime')) {
    own.set |= MOUNT_ATTR_NODIRATIME
    own.clear &= ~MOUNT_ATTR_NODIRATIME
  }
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

function apply(edit: AttributeEdit, more: AttributeEdit): void {
  edit.set = (edit.set & ~more.clear) | more.set
  edit.clear = (edit.clear & ~more.set) | more.clear
}

/** mount(2)'s data is one text with commas: an entry may hold several options. Quotes keep a label's commas together. */
function splitAtCommas(option: string): string[] {
  return option.includes(',') ? (option.match(/(?:"[^"]*"|[^,"]|")+/g) ?? []) : [option]
}

function splitOption(option: string): readonly [string, string | undefined] {
  const equals = option.indexOf('=')
  return equals < 0 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)]
}

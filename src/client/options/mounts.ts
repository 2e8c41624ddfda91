// `--mount key=value,…`, `--volume source:target:mode`, `--tmpfs`.
import { resolve } from 'node:path'
import { invalid, parseBoolean, parseBytes, parseCsv } from './values.ts'

export interface Mount {
  Type: string
  Source?: string
  Target?: string
  ReadOnly?: boolean
  Consistency?: string
  BindOptions?: {
    Propagation?: string
    NonRecursive?: boolean
    ReadOnlyNonRecursive?: boolean
    ReadOnlyForceRecursive?: boolean
  }
  VolumeOptions?: {
    NoCopy?: boolean
    Labels: Record<string, string>
    Subpath?: string
    DriverConfig: { Name?: string; Options?: Record<string, string> }
  }
  ImageOptions?: { Subpath?: string }
  TmpfsOptions?: { SizeBytes?: number; Mode?: number }
}

const bindOptions = (mount: Mount) => {
  mount.BindOptions ??= {}
  return mount.BindOptions
}
const volumeOptions = (mount: Mount) => {
  mount.VolumeOptions ??= { Labels: {}, DriverConfig: {} }
  return mount.VolumeOptions
}
const tmpfsOptions = (mount: Mount) => {
  mount.TmpfsOptions ??= {}
  return mount.TmpfsOptions
}

function requireBoolean(key: string, value: string): boolean {
  const parsed = parseBoolean(value)
  if (parsed === undefined) throw invalid(`invalid value for ${key}: ${value}`)
  return parsed
}

function setPair(target: Record<string, string>, pair: string): void {
  const equals = pair.indexOf('=')
  const key = equals < 0 ? pair : pair.slice(0, equals)
  if (key !== '') target[key] = equals < 0 ? '' : pair.slice(equals + 1)
}

type SetField = (mount: Mount, value: string, key: string) => void

const setSource: SetField = (mount, value) => {
  mount.Source = value.startsWith('.') ? resolve(value) : value
}
const setTarget: SetField = (mount, value) => {
  mount.Target = value
}
const setReadOnly: SetField = (mount, value, key) => {
  mount.ReadOnly = requireBoolean(key, value)
}

const FIELDS: Record<string, SetField> = {
  type: (mount, value) => {
    mount.Type = value.toLowerCase()
  },
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  readonly: setReadOnly,
  ro: setReadOnly,
  consistency: (mount, value) => {
    mount.Consistency = value.toLowerCase()
  },
  'bind-propagation': (mount, value) => {
    bindOptions(mount).Propagation = value.toLowerCase()
  },
  'bind-nonrecursive': (mount, value, key) => {
    bindOptions(mount).NonRecursive = requireBoolean(key, value)
  },
  'bind-recursive': setRecursive,
  'volume-subpath': (mount, value) => {
    volumeOptions(mount).Subpath = value
  },
  'volume-nocopy': (mount, value, key) => {
    volumeOptions(mount).NoCopy = requireBoolean(key, value)
  },
  'volume-label': (mount, value) => setPair(volumeOptions(mount).Labels, value),
  'volume-driver': (mount, value) => {
    volumeOptions(mount).DriverConfig.Name = value
  },
  'volume-opt': (mount, value) => {
    const driver = volumeOptions(mount).DriverConfig
    driver.Options ??= {}
    setPair(driver.Options, value)
  },
  'image-subpath': (mount, value) => {
    mount.ImageOptions = { Subpath: value }
  },
  'tmpfs-size': (mount, value, key) => {
    try {
      tmpfsOptions(mount).SizeBytes = parseBytes(value)
    } catch {
      throw invalid(`invalid value for ${key}: ${value}`)
    }
  },
  'tmpfs-mode': (mount, value, key) => {
    const mode = /^[0-7]{1,11}$/.test(value) ? Number.parseInt(value, 8) : Number.POSITIVE_INFINITY
    if (mode > 0xffff_ffff) throw invalid(`invalid value for ${key}: ${value}`)
    tmpfsOptions(mount).Mode = mode
  },
}

/** Fields that may stand without a value. */
const SWITCHES = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive'])

function setRecursive(mount: Mount, value: string, key: string): void {
  const options = bindOptions(mount)
  if (value === 'disabled') options.NonRecursive = true
  else if (value === 'writable') options.ReadOnlyNonRecursive = true
  else if (value === 'readonly') options.ReadOnlyForceRecursive = true
  else if (value !== 'enabled')
    throw invalid(`invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`)
}

export function parseMount(text: string): Mount {
  const mount: Mount = { Type: 'volume' }
  for (const field of parseCsv(text)) {
    const equals = field.indexOf('=')
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase()
    if (equals < 0 && !SWITCHES.has(key)) throw invalid(`invalid field '${field}' must be a key=value pair`)
    const set = FIELDS[key]
    if (set === undefined) throw invalid(`unexpected key '${key}' in '${field}'`)
    set(mount, equals < 0 ? 'true' : field.slice(equals + 1), key)
  }
  checkMount(mount)
  return mount
}

function checkMount(mount: Mount): void {
  if (mount.Type === '') throw invalid('type is required')
  if (!mount.Target) throw invalid('target is required')
  const groups = {
    volume: mount.VolumeOptions,
    image: mount.ImageOptions,
    bind: mount.BindOptions,
    tmpfs: mount.TmpfsOptions,
  }
  for (const [type, options] of Object.entries(groups))
    if (options !== undefined && mount.Type !== type)
      throw invalid(`cannot mix '${type}-*' options with mount type '${mount.Type}'`)
  const needs = (option: string, what: string) =>
    invalid(`option 'bind-recursive=${option}' requires '${what}' to be specified in conjunction`)
  if (mount.BindOptions?.ReadOnlyNonRecursive && !mount.ReadOnly) throw needs('writable', 'readonly')
  if (!mount.BindOptions?.ReadOnlyForceRecursive) return
  if (!mount.ReadOnly) throw needs('readonly', 'readonly')
  if (mount.BindOptions.Propagation !== 'rprivate') throw needs('readonly', 'bind-propagation=rprivate')
}

export interface Volumes {
  binds: string[]
  /** Paths without a source: the engine makes a volume of its own for each. */
  anonymous: Record<string, object>
}

/** `/data` is a volume of its own; everything with a source goes to the engine as it is, but that `./x` becomes absolute. */
export function parseVolumes(entries: readonly string[]): Volumes {
  const binds: string[] = []
  const anonymous: Record<string, object> = {}
  for (const entry of new Set(entries)) {
    if (entry === '') throw invalid('invalid empty volume spec')
    const sections = splitSections(entry)
    if (sections.length > 1 && sections.includes(''))
      throw invalid(`invalid spec: ${entry}: empty section between colons`)
    if (sections.length > 3) throw invalid(`invalid spec: ${entry}: too many colons`)
    const [source = ''] = sections
    if (sections.length === 1) anonymous[entry] = {}
    else binds.push(`${source.startsWith('.') ? resolve(source) : source}${entry.slice(source.length)}`)
  }
  return { binds, anonymous }
}

/** At colons; one after a single letter belongs to a drive of Windows. */
function splitSections(entry: string): string[] {
  if (entry.length <= 2) return [entry]
  const sections: string[] = ['']
  for (const letter of entry) {
    const current = sections.at(-1) ?? ''
    if (letter === ':' && !/^[A-Za-z]$/.test(current)) sections.push('')
    else sections[sections.length - 1] = current + letter
  }
  return sections
}

/** `/run:size=64m`: options are checked by the engine. */
export function parseTmpfs(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const colon = entry.indexOf(':')
      return colon < 0 ? [entry, ''] : [entry.slice(0, colon), entry.slice(colon + 1)]
    }),
  )
}

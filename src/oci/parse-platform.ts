// Platforms: from text, in their normal form, and which one of an index fits a machine (containerd's platforms package).
import { Failure } from '../base/failure.ts'
import type { Platform } from './platform.ts'

/** `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`; what is left out is the host's. Throws Failure('invalid-argument'). */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split('/')
  if (parts.length > 3)
    throw new Failure('invalid-argument', `"${text}": cannot parse platform specifier: invalid argument`)
  if (parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part)))
    throw new Failure('invalid-argument', `"${text}": unknown operating system or architecture: invalid argument`)
  const [first, second, variant] = parts.map((part) => part.toLowerCase())
  if (second !== undefined)
    return normalizePlatform({ os: first!, architecture: second, ...(variant === undefined ? {} : { variant }) })
  const os = OS_ALIASES[first!] ?? first!
  if (KNOWN_OS.has(os)) return { ...host, os }
  if (KNOWN_ARCHITECTURES.has(aliased(first!).architecture))
    return normalizePlatform({ os: host.os, architecture: first! })
  throw new Failure('invalid-argument', `"${text}": unknown operating system or architecture: invalid argument`)
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/')
}

/** This machine's, by Node's names or those of uname(1). */
export function hostPlatform(machine: string = process.arch): Platform {
  return normalizePlatform({ os: 'linux', architecture: machine })
}

/** One spelling for each: x86_64 is amd64, aarch64 is arm64, arm64's v8 goes without saying, arm's v7 is said. */
export function normalizePlatform(platform: Platform): Platform {
  const os = OS_ALIASES[platform.os.toLowerCase()] ?? platform.os.toLowerCase()
  const given = (platform.variant ?? '').toLowerCase()
  const { architecture, variant: implied } = aliased(platform.architecture.toLowerCase())
  let variant =
    given === '' ? (implied ?? '') : /^\d/.test(given) && architecture.startsWith('arm') ? `v${given}` : given
  if (architecture === 'arm64' && variant === 'v8') variant = ''
  if (architecture === 'arm' && variant === '') variant = 'v7'
  if (architecture === 'amd64' && variant === 'v1') variant = ''
  return variant === '' ? { os, architecture } : { os, architecture, variant }
}

/**
 * How well an image suits: 0 is perfect, larger is worse, undefined is not at all. A processor runs what was built for its
 * elder variants, and 64-bit ones what was built for the 32-bit ones.
 */
export function platformDistance(wanted: Platform, offered: Platform): number | undefined {
  const [want, offer] = [normalizePlatform(wanted), normalizePlatform(offered)]
  if (want.os !== offer.os) return undefined
  const levels = runnable(want)
  const at = levels.indexOf(`${offer.architecture}/${offer.variant ?? ''}`)
  return at < 0 ? undefined : at
}

/** The very same one, however it is spelled. */
export function isSamePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalizePlatform(a)) === formatPlatform(normalizePlatform(b))
}

/** The entry that suits best, the first among equals. One without a platform is the last resort. */
export function choosePlatform<T extends { platform?: Platform }>(
  wanted: Platform,
  entries: readonly T[],
): T | undefined {
  let best: { entry: T; distance: number } | undefined
  for (const entry of entries) {
    const distance = entry.platform ? platformDistance(wanted, entry.platform) : 1000
    if (distance !== undefined && (!best || distance < best.distance)) best = { entry, distance }
  }
  return best?.entry
}

function runnable({ architecture, variant = '' }: Platform): string[] {
  const level = /^v(\d+)/.exec(variant)
  const number = level ? Number(level[1]) : undefined
  const below = (name: string, from: number, to: number) =>
    Array.from({ length: Math.max(0, from - to + 1) }, (_, i) => `${name}/v${from - i}`)
  switch (architecture) {
    case 'amd64':
      return [...below('amd64', number ?? 1, 2), 'amd64/', '386/']
    case 'arm64':
      return [...below('arm64', number ?? 8, 9), 'arm64/', ...below('arm', 8, 5)]
    case 'arm':
      return below('arm', number ?? 7, 5)
    default:
      return [`${architecture}/${variant}`]
  }
}

function aliased(architecture: string): { architecture: string; variant?: string } {
  return ARCHITECTURE_ALIASES[architecture] ?? { architecture }
}

const OS_ALIASES: Partial<Record<string, string>> = { macos: 'darwin' }

const ARCHITECTURE_ALIASES: Partial<Record<string, { architecture: string; variant?: string }>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  x64: { architecture: 'amd64' },
  i386: { architecture: '386' },
  i686: { architecture: '386' },
  ia32: { architecture: '386' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armv7l: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
  armv6l: { architecture: 'arm', variant: 'v6' },
}

const KNOWN_OS = new Set([
  'linux',
  'windows',
  'darwin',
  'freebsd',
  'netbsd',
  'openbsd',
  'solaris',
  'plan9',
  'android',
  'aix',
])
const KNOWN_ARCHITECTURES = new Set([
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mips64',
  'mips64le',
  'mipsle',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
])

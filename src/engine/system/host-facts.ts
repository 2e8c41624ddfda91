// What the host is: read once, for `version` and `info`.
import { readFileSync } from 'node:fs'
import { arch, release } from 'node:os'

/** As Go names it, in `version`: amd64. */
export function goArchitecture(): string {
  const names: Record<string, string> = { x64: 'amd64', ia32: '386', arm64: 'arm64', ppc64: 'ppc64le', s390x: 's390x' }
  return names[arch()] ?? arch()
}

/** As `uname -m` prints it, in `info`: x86_64. */
export function machineArchitecture(): string {
  const names: Record<string, string> = { x64: 'x86_64', ia32: 'i686', arm64: 'aarch64', ppc64: 'ppc64le' }
  return names[arch()] ?? arch()
}

export function kernelVersion(): string {
  return release()
}

/** PRETTY_NAME and VERSION_ID of os-release. */
export function operatingSystem(): { name: string; version: string } {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    const text = readQuietly(path)
    if (text === undefined) continue
    return { name: field(text, 'PRETTY_NAME') ?? 'Linux', version: field(text, 'VERSION_ID') ?? '' }
  }
  return { name: 'Linux', version: '' }
}

/** A sysctl that is 1. */
export function isSysctlOn(name: string): boolean {
  return readQuietly(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim() === '1'
}

export function readQuietly(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // an older kernel or a smaller system has no such file: the answer is "unknown"
  }
}

function field(text: string, name: string): string | undefined {
  const value = new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]
  return value?.replace(/^(["'])(.*)\1$/, '$2')
}

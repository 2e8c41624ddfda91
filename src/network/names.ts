// What an engine's things are called in the kernel: derived from its instance, so that engines side by side never meet.
import { createHash } from 'node:crypto'

export const DEFAULT_INSTANCE = 'default'

export function bridgeName(instance: string): string {
  return isDefault(instance) ? 'berth0' : `br-${digest(instance).slice(0, 8)}`
}

/** Of the `ip` family; nft's identifiers allow letters, digits and some signs. */
export function tableName(instance: string): string {
  if (isDefault(instance)) return 'berth'
  return /^[a-z\d][a-z\d._-]{0,63}$/i.test(instance) ? `berth-${instance}` : `berth-${digest(instance).slice(0, 16)}`
}

/**
 * A bridge without an address of its own takes its lowest port's, and changes it as ports come and go under everyone's ARP cache. In
 * 02:42:e0-ff:… it can't be a container's, since no container has a multicast IPv4 address.
 */
export function bridgeMac(bridge: string): string {
  const [first = 0, second = 0, third = 0, fourth = 0] = Buffer.from(digest(bridge), 'hex')
  const bytes = [0x02, 0x42, first | 0xe0, second, third, fourth]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

function isDefault(instance: string): boolean {
  return instance === '' || instance === DEFAULT_INSTANCE
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

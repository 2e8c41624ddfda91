// Names of CDI devices: `vendor.com/class=name` (container-device-interface, SPEC.md, "Kind" and "Device names").

export interface QualifiedName {
  vendor: string
  class: string
  name: string
}

const KIND_PART = /^[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/
const DEVICE = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/

/** Of `vendor.com/class`; undefined for what isn't one. */
export function parseKind(text: string): Omit<QualifiedName, 'name'> | undefined {
  const slash = text.indexOf('/')
  const [vendor, kind] = [text.slice(0, Math.max(slash, 0)), text.slice(slash + 1)]
  return KIND_PART.test(vendor) && KIND_PART.test(kind) ? { vendor, class: kind } : undefined
}

export function isDeviceName(text: string): boolean {
  return DEVICE.test(text)
}

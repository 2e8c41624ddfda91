// A descriptor as a value to be written as JSON: its keys in the order in which image-spec's own Go types write them.
import type { Descriptor } from './descriptor.ts'
import { sortedMap } from './go-json.ts'

export function descriptorJson(descriptor: Descriptor): object {
  const { mediaType, digest, size, urls, annotations, platform, artifactType } = descriptor
  return {
    mediaType,
    digest,
    size,
    ...(urls === undefined || urls.length === 0 ? {} : { urls }),
    ...(annotations === undefined || Object.keys(annotations).length === 0
      ? {}
      : { annotations: sortedMap(annotations) }),
    ...(platform === undefined ? {} : { platform: platformJson(platform) }),
    ...(artifactType ? { artifactType } : {}),
  }
}

function platformJson(platform: NonNullable<Descriptor['platform']>): object {
  const { architecture, os, variant, 'os.version': osVersion } = platform
  return { architecture, os, ...(osVersion ? { 'os.version': osVersion } : {}), ...(variant ? { variant } : {}) }
}

// manifest …: lists of images, put together on this machine and pushed to a registry by the client itself.
import { Failure, isFailure, messageOf, withSubject } from '../../base/failure.ts'
import { goJson, indentJson } from '../../base/go/go-json.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { formatReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { type Command, ExitCode } from '../command.ts'
import type { Flag } from '../flags.ts'
import {
  type ListedManifest,
  orderPlatform,
  readList,
  readListed,
  removeList,
  saveListed,
  showListed,
} from '../manifests/manifest-store.ts'
import { fetchImage, fetchImages, mountBlob, openForPush, putManifest } from '../manifests/registry-manifests.ts'
import { experimental } from '../manifests/experimental.ts'

const INSECURE: Flag = {
  ...{ name: 'insecure', kind: 'boolean' },
  usage: 'Allow communication with an insecure registry',
}

const parseName = (text: string): Reference => withDefaultTag(parseReference(text))

function parseNameOf(what: string, text: string): Reference {
  try {
    return parseName(text)
  } catch (error) {
    throw withSubject(`${what} ${text}`, error)
  }
}

export const manifestCreate: Command = {
  description: experimental('create', 'Create a local manifest list for annotating and pushing to a registry'),
  flags: [{ name: 'amend', short: 'a', kind: 'boolean', usage: 'Amend an existing manifest list' }, INSECURE],
  args: { min: 2 },
  async run(shell, [list = '', ...images], flags) {
    shell.interruption.listen()
    const target = formatReference(parseNameOf('error parsing name for manifest list', list))
    const directory = shell.configDirectory
    if (orNothing(() => readList(directory, target)) !== undefined && !flags.boolean('amend'))
      throw new ExitCode(1, 'refusing to amend an existing manifest list with no --amend flag')
    for (const image of images) {
      const reference = parseName(image)
      const ref = formatReference(reference)
      const known = orNothing(() => readListed(directory, target, ref))
      const world = { shell, insecure: flags.boolean('insecure') ?? false }
      saveListed(directory, target, ref, known?.raw === undefined ? await fetchImage(world, reference) : known)
    }
    shell.print(`Created manifest list ${target}\n`)
    return 0
  },
}

/** Undefined where there is none. */
function orNothing<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined
    throw error
  }
}

export const manifestInspect: Command = {
  description: experimental('inspect', 'Display an image manifest, or manifest list'),
  flags: [
    INSECURE,
    {
      ...{ name: 'verbose', short: 'v', kind: 'boolean' },
      usage: 'Output additional info including layers and platform',
    },
  ],
  args: { min: 1, max: 2 },
  async run(shell, names, flags) {
    shell.interruption.listen()
    const reference = parseName(names.at(-1) ?? '')
    const isVerbose = flags.boolean('verbose') ?? false
    const showOne = (image: ListedManifest) =>
      shell.print(isVerbose ? showListed(image) : `${indentJson(image.text, '\t')}\n`)
    const showAll = (images: readonly ListedManifest[]) =>
      shell.print(isVerbose ? showListed(images) : `${assemble(images, reference, 'inspect').text}\n`)
    if (names.length === 2) {
      const list = formatReference(parseName(names[0] ?? ''))
      showOne(readListed(shell.configDirectory, list, formatReference(reference)))
      return 0
    }
    const local = orNothing(() => readList(shell.configDirectory, formatReference(reference)))
    if (local !== undefined) showAll(local)
    else {
      const found = await fetchImages({ shell, insecure: flags.boolean('insecure') ?? false }, reference)
      if (found.kind === 'image') showOne(found.image)
      else showAll(found.images)
    }
    return 0
  },
}

/** A list whose first image is OCI's is an OCI index. Written as Docker's registry library indents it: its bytes give its digest. */
function assemble(images: readonly ListedManifest[], target: Reference, purpose: 'inspect' | 'push') {
  const manifests = images.map(({ ref, descriptor }) => {
    const platform = descriptor.platform
    if (purpose === 'push' && (!platform?.architecture || !platform.os))
      throw new Failure(
        'invalid-argument',
        `manifest ${ref} must have an OS and Architecture to be pushed to a registry`,
      )
    const { domain } = parseReference(ref)
    if (domain !== target.domain) {
      const why = `cannot use source images from a different registry than the target image: ${domain} != ${target.domain}`
      const subject = purpose === 'inspect' ? 'failed to assemble ManifestDescriptor: ' : ''
      throw new Failure('invalid-argument', `${subject}${why}`)
    }
    const { mediaType, size, digest } = descriptor
    return { mediaType, size, digest, platform: orderPlatform(platform ?? { architecture: '', os: '' }) }
  })
  const isOci = images[0]?.descriptor.mediaType === MEDIA_TYPE.ociManifest
  const mediaType = isOci ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerList
  return { mediaType, text: indentJson(goJson({ schemaVersion: 2, mediaType, manifests }, true), '   ') }
}

const OS_ARCHES = new Set(
  (
    'darwin/386 darwin/amd64 darwin/arm darwin/arm64 dragonfly/amd64 freebsd/386 freebsd/amd64 freebsd/arm linux/386 linux/amd64 ' +
    'linux/arm linux/arm64 linux/ppc64le linux/mips64 linux/mips64le linux/riscv64 linux/s390x netbsd/386 netbsd/amd64 netbsd/arm ' +
    'openbsd/386 openbsd/amd64 openbsd/arm plan9/386 plan9/amd64 solaris/amd64 windows/386 windows/amd64'
  ).split(' '),
)

export const manifestAnnotate: Command = {
  description: experimental('annotate', 'Add additional information to a local image manifest'),
  flags: [
    { name: 'arch', kind: 'string', usage: 'Set architecture' },
    { name: 'os', kind: 'string', usage: 'Set operating system' },
    { name: 'os-features', kind: 'list', type: 'strings', usage: 'Set operating system feature' },
    { name: 'os-version', kind: 'string', usage: 'Set operating system version' },
    { name: 'variant', kind: 'string', usage: 'Set architecture variant' },
  ],
  args: { min: 2, max: 2 },
  async run(shell, [list = '', image = ''], flags) {
    const target = formatReference(parseNameOf('annotate: error parsing name for manifest list', list))
    const ref = formatReference(parseNameOf('annotate: error parsing name for manifest', image))
    const listed = orNothing(() => readListed(shell.configDirectory, target, ref))
    if (listed === undefined) throw new ExitCode(1, `manifest for image ${image} does not exist in ${list}`)
    const text = (name: string) => flags.text(name) ?? ''
    const old = listed.descriptor.platform ?? { architecture: '', os: '' }
    const features = [
      ...(old['os.features'] ?? []),
      ...flags.list('os-features').flatMap((words) => (words === '' ? [] : words.split(','))),
    ]
    const platform = orderPlatform({
      architecture: text('arch') || old.architecture,
      os: text('os') || old.os,
      'os.version': text('os-version') || (old['os.version'] ?? ''),
      'os.features': [...new Set(features)],
      variant: text('variant') || (old.variant ?? ''),
    })
    if (!OS_ARCHES.has(`${platform.os}/${platform.architecture}`))
      throw new ExitCode(
        1,
        `manifest entry for image has unsupported os/arch combination: ${text('os')}/${text('arch')}`,
      )
    saveListed(shell.configDirectory, target, ref, { ...listed, descriptor: { ...listed.descriptor, platform } })
    return 0
  },
}

export const manifestPush: Command = {
  description: experimental('push', 'Push a manifest list to a repository'),
  flags: [
    { ...INSECURE, usage: 'Allow push to an insecure registry' },
    { name: 'purge', short: 'p', kind: 'boolean', usage: 'Remove the local manifest list after push' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [list = ''], flags) {
    shell.interruption.listen()
    const target = parseName(list)
    const name = formatReference(target)
    const images = readList(shell.configDirectory, name)
    if (images.length === 0) throw new ExitCode(1, `${name} not found`)
    const { mediaType, text } = assemble(images, target, 'push')
    // All that could be wrong with what is stored is found before anything is sent.
    const foreign = images.filter(({ ref }) => parseReference(ref).path !== target.path).map(toSend)
    const session = await openForPush({ shell, insecure: flags.boolean('insecure') ?? false }, target)
    for (const { image, blobs } of foreign)
      for (const digest of blobs) {
        const repository = parseReference(image.ref).path
        const from = `${repository}@${digest}`
        const isMounted = await mountBlob(session, { digest, repository, from, to: name })
        // Layers of Windows are those that are not passed on: the registry need not have them.
        if (!isMounted && image.descriptor.platform?.os !== 'windows')
          throw new ExitCode(1, `error mounting ${from} to ${name}`)
      }
    for (const { image, bytes } of foreign) {
      const { digest, mediaType: type } = image.descriptor
      const ref = `${target.domain}/${target.path}@${digest}`
      const given = await putManifest(session, { bytes, mediaType: type, name: digest, ref })
      shell.print(`Pushed ref ${ref} with digest: ${given}\n`)
    }
    const tag = target.tag ?? target.digest ?? 'latest'
    shell.print(`${await putManifest(session, { bytes: Buffer.from(text), mediaType, name: tag, ref: name })}\n`)
    if (flags.boolean('purge')) removeList(shell.configDirectory, name)
    return 0
  },
}

/** The bytes of an image's manifest, proven, and the blobs it needs; an old client's file has no bytes, only what they meant. */
function toSend(image: ListedManifest): { image: ListedManifest; bytes: Buffer; blobs: string[] } {
  const { digest, mediaType } = image.descriptor
  const indent = mediaType === MEDIA_TYPE.ociManifest ? '  ' : '   '
  const bytes = image.raw ?? Buffer.from(indentJson(image.text, indent))
  const own = digestOf(bytes)
  if (own !== digest)
    throw new Failure('data-loss', `internal digest mismatch for ${image.ref}: expected ${digest}, got ${own}`)
  const document = parseManifestOrIndex(bytes, mediaType)
  const blobs = document.kind === 'index' ? [] : [document.config, ...document.layers].map((blob) => blob.digest)
  return { image, bytes, blobs }
}

export const manifestRm: Command = {
  description: experimental('rm', 'Delete one or more manifest lists from local storage'),
  flags: [],
  args: { min: 1 },
  async run(shell, lists) {
    const failures: string[] = []
    for (const list of lists) {
      try {
        const name = formatReference(parseName(list))
        readList(shell.configDirectory, name)
        removeList(shell.configDirectory, name)
      } catch (error) {
        failures.push(messageOf(error))
      }
    }
    if (failures.length > 0) throw new ExitCode(1, failures.join('\n'))
    return 0
  },
}

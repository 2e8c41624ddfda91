// One manifest: how to pull it, what it is, and what belongs to it.
import { isFailure, messageOf } from '../../../base/failure.ts'
import { isAttestation } from '../../../oci/attestation.ts'
import type { Descriptor } from '../../../oci/descriptor.ts'
import type { Index, Manifest } from '../../../oci/parse-manifest.ts'
import { isDigest, type Place, pullCommand } from '../places.ts'
import { createdOf, historyOf, type Image, platformOf, platformsOf, pulledBytes, readImage } from '../read-image.ts'
import { listReferrers, type Referrer } from '../read-lists.ts'
import { copyable } from './copy.ts'
import { deleteButton } from './delete.ts'
import {
  busyUntil,
  digestText,
  element,
  facts,
  foreign,
  fragment,
  link,
  moment,
  sizeText,
  table,
  title,
} from './elements.ts'
import type { View } from './view.ts'

export async function showManifest(
  view: View,
  { name, reference }: Extract<Place, { kind: 'manifest' }>,
): Promise<DocumentFragment> {
  const { session, signal, host } = view
  const image = await readImage(session, name, reference, signal)
  const deletes = view.deletes && (await session.mayDelete(name, signal))
  const referrers = element('section', {}, element('p', {}, 'Looking for signatures and other referrers…'))
  busyUntil(referrers, fillIn(view, name, image.digest, referrers))
  return fragment(
    title(link({ kind: 'tags', name, last: '' }, name), isDigest(reference) ? ' at a digest' : `:${reference}`),
    element('h2', {}, 'Pull'),
    copyable(pullCommand(host, name, reference)),
    isDigest(reference) ? undefined : copyable(pullCommand(host, name, image.digest)),
    element('h2', {}, 'Summary'),
    summaryOf(image, name),
    image.document.kind === 'index' ? manifestsTable(image.document, name) : layersTable(image.document),
    historyTable(image),
    textsTable('Labels', image.config?.config.Labels),
    textsTable('Annotations', image.document.annotations),
    referrers,
    deletes ? deletion(view, name, reference, image.digest) : undefined,
  )
}

function summaryOf(image: Image, name: string): HTMLElement {
  const { document, config, digest, manifestBytes, problem } = image
  const bytes = pulledBytes(image)
  const platforms = platformsOf(image)
  const { Entrypoint, Cmd, User, WorkingDir } = config?.config ?? {}
  return facts([
    ['Digest', element('code', {}, digest)],
    ['Media type', foreign(document.mediaType)],
    ['Artifact type', optional(document.artifactType)],
    ['Size', bytes === undefined ? undefined : fragment(sizeText(bytes), ' to pull')],
    ['Manifest', sizeText(manifestBytes)],
    ['Created', moment(createdOf(image))],
    ['Platforms', platforms.length === 0 ? undefined : foreign(platforms.join(', '))],
    ['Author', optional(config?.author)],
    ['Entrypoint', listed(Entrypoint)],
    ['Command', listed(Cmd)],
    ['User', optional(User)],
    ['Working directory', optional(WorkingDir)],
    ['Subject', document.subject === undefined ? undefined : manifestLink(name, document.subject.digest)],
    ['Configuration', problem === undefined ? undefined : foreign(`can't be shown: ${problem}`)],
  ])
}

function optional(text: string | undefined): Node | undefined {
  return text === undefined || text === '' ? undefined : foreign(text)
}

function listed(words: readonly string[] | undefined): Node | undefined {
  return words === undefined || words.length === 0 ? undefined : foreign(JSON.stringify(words))
}

function manifestLink(name: string, digest: string): HTMLElement {
  return link({ kind: 'manifest', name, reference: digest }, digestText(digest))
}

function manifestsTable({ manifests }: Index, name: string): HTMLElement {
  const rows = manifests.map((each) => [
    isAttestation(each) ? 'attestation' : foreign(platformOf(each)[0] ?? 'any platform'),
    manifestLink(name, each.digest),
    foreign(each.mediaType),
    sizeText(each.size),
  ])
  return table('Manifests of this index', ['Platform', 'Digest', 'Media type', 'Size of the manifest'], rows)
}

function layersTable({ config, layers }: Manifest): HTMLElement {
  const line = (what: string, { digest, size, mediaType }: Descriptor) => [
    ...[what, digestText(digest), sizeText(size)],
    foreign(mediaType),
  ]
  const rows = [line('configuration', config), ...layers.map((layer, at) => line(`layer ${at + 1}`, layer))]
  return table('Layers', ['Part', 'Digest', 'Size', 'Media type'], rows)
}

function historyTable({ config, document }: Image): HTMLElement | undefined {
  if (config === undefined || document.kind === 'index' || config.history.length === 0) return undefined
  const rows = historyOf(config, document.layers).map(({ created, command, layer }, at) => [
    ...[String(at + 1), moment(created), layer === undefined ? '—' : sizeText(layer.size)],
    foreign(command),
  ])
  return table('History', ['Step', 'Created', 'Size', 'Command'], rows)
}

function textsTable(caption: string, texts: Readonly<Record<string, string>> | undefined): HTMLElement | undefined {
  const entries = Object.entries(texts ?? {})
  if (entries.length === 0) return undefined
  const rows = entries.map(([key, value]) => [foreign(key), foreign(value)])
  return table(caption, ['Name', 'Value'], rows)
}

async function fillIn({ session, signal }: View, name: string, digest: string, section: HTMLElement): Promise<void> {
  try {
    const referrers = await listReferrers(session, name, digest, signal)
    section.replaceChildren(referrersTable(referrers, name))
  } catch (error) {
    if (isFailure(error, 'cancelled')) return
    section.replaceChildren(element('p', { role: 'alert' }, `Referrers can't be shown: ${messageOf(error)}`))
  }
}

function referrersTable(referrers: readonly Referrer[], name: string): HTMLElement {
  if (referrers.length === 0) return element('p', {}, 'There are no signatures, SBOMs or other referrers.')
  const rows = referrers.map(({ descriptor: { digest, artifactType, mediaType, size, annotations }, tag }) => [
    tag === undefined ? foreign(artifactType ?? mediaType) : foreign(`tag ${tag}`),
    manifestLink(name, digest),
    sizeText(size),
    moment(annotations?.['org.opencontainers.image.created']),
  ])
  return table('Signatures, SBOMs and other referrers', ['What', 'Digest', 'Size of the manifest', 'Created'], rows)
}

function deletion(view: View, name: string, reference: string, digest: string): DocumentFragment {
  const manifest = { name, reference: digest, what: 'this manifest and every tag of it' }
  return fragment(
    element('h2', {}, 'Delete'),
    element(
      'p',
      { class: 'actions' },
      isDigest(reference) ? undefined : deleteButton(view, { name, reference, what: `tag ${reference}` }),
      deleteButton(view, manifest),
    ),
  )
}

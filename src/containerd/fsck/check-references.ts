// Who names what: namespaces, images, containers, leases, labels.
import { create } from '@bufbuild/protobuf'
import { ContainerSchema } from '../../gen/services/containers_pb.ts'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { ImageSchema } from '../../gen/services/images_pb.ts'
import { LeaseSchema, ResourceSchema } from '../../gen/services/leases_pb.ts'
import { NamespaceSchema } from '../../gen/services/namespaces_pb.ts'
import { SandboxSchema } from '../../gen/types/sandbox_pb.ts'
import { labelReferences, type Labels } from '../gc/mark.ts'
import { messageCodec } from '../metadata/codec.ts'
import { SNAPSHOT_CODEC, SNAPSHOTTERS, type SnapshotBucketName } from './check-snapshots.ts'
import type { Finding } from './finding.ts'
import type { Records } from './load-records.ts'

const NAMESPACE_CODEC = messageCodec(NamespaceSchema)

/** What there is, as `<namespace>/<kind>/<id>`. */
type Things = ReadonlySet<string>

export function checkReferences(records: Records): Finding[] {
  const things = listThings(records)
  const has = (namespace: string, kind: string, id: string) => things.has(`${namespace}/${kind}/${id}`)
  const findings = checkNamespaces(records)
  const checkLabels = (namespace: string, subject: string, labels: Labels) => {
    for (const { kind, id } of labelReferences(namespace, labels))
      if (!has(namespace, kind, id))
        findings.push({ code: 'label-reference-missing', subject, text: `a label refers to ${kind} ${id}` })
  }
  for (const { namespace, name, value } of records.list('images', messageCodec(ImageSchema))) {
    const digest = value.target?.digest ?? ''
    if (!has(namespace, 'content', digest))
      findings.push({ code: 'image-content-missing', subject: name, text: `it points at ${digest}` })
    checkLabels(namespace, name, value.labels)
  }
  for (const { namespace, name, value } of records.list('containers', messageCodec(ContainerSchema))) {
    const { snapshotter, snapshotKey, image } = value
    if (snapshotKey !== '' && !has(namespace, `snapshots/${snapshotter}`, snapshotKey))
      findings.push({ code: 'container-snapshot-missing', subject: name, text: `it has no snapshot ${snapshotKey}` })
    if (image !== '' && !has(namespace, 'images', image))
      findings.push({ code: 'container-image-missing', subject: name, text: `image ${image} is gone` })
    checkLabels(namespace, name, value.labels)
  }
  for (const { namespace, name, value } of records.list('content', messageCodec(InfoSchema)))
    checkLabels(namespace, name, value.labels)
  return [...findings, ...checkLeases(records, has)]
}

function listThings(records: Records): Things {
  const things = new Set<string>()
  for (const key of records.raw.keys()) {
    const [, bucket = '', namespace = '', id = ''] = /^([^:]*):([^/]*)\/(.*)$/s.exec(key) ?? []
    const kind = bucket in SNAPSHOTTERS ? `snapshots/${SNAPSHOTTERS[bucket as SnapshotBucketName]}` : bucket
    things.add(`${namespace}/${kind}/${id}`)
  }
  return things
}

/** Whoever first writes into a namespace makes it, so none is used without being there. */
function checkNamespaces(records: Records): Finding[] {
  const known = new Set(records.list('namespaces', NAMESPACE_CODEC).map(({ namespace }) => namespace))
  const used = new Set<string>()
  for (const key of records.raw.keys()) {
    const namespace = /^(?:images|containers|content|leases|snapshots[^:]*):([^/]+)\//.exec(key)?.[1]
    if (namespace !== undefined && !known.has(namespace)) used.add(namespace)
  }
  return [...used].map((name) => {
    const value = NAMESPACE_CODEC.encode(create(NamespaceSchema, { name }))
    return {
      code: 'namespace-missing',
      subject: name,
      text: 'it is used but not there',
      repair: [{ kind: 'put', key: `namespaces:${name}`, value }],
    }
  })
}

function checkLeases(records: Records, has: (namespace: string, kind: string, id: string) => boolean): Finding[] {
  const leases = new Set(
    records.list('leases', messageCodec(LeaseSchema)).map(({ namespace, name }) => `${namespace}/${name}`),
  )
  return records
    .list('lease-resources', messageCodec(ResourceSchema))
    .flatMap(({ key, namespace, name, value }): Finding[] => {
      const lease = name.slice(0, name.indexOf('/'))
      if (!leases.has(`${namespace}/${lease}`))
        return [
          {
            code: 'lease-missing',
            subject: lease,
            text: `it is gone, and holds ${value.type} ${value.id}`,
            repair: [{ kind: 'remove', key }],
          },
        ]
      // Uploads end, and what is leased may come later.
      if (value.type === 'ingests' || has(namespace, value.type, value.id)) return []
      return [{ code: 'lease-resource-missing', subject: lease, text: `it holds ${value.type} ${value.id}` }]
    })
}

/** Of every bucket, so that each record is decoded once. */
export function checkReadable(records: Records): Finding[] {
  for (const [bucket, schema] of Object.entries({
    namespaces: NamespaceSchema,
    images: ImageSchema,
    containers: ContainerSchema,
    content: InfoSchema,
    leases: LeaseSchema,
    'lease-resources': ResourceSchema,
    sandboxes: SandboxSchema,
  }))
    records.list(bucket, messageCodec(schema))
  for (const bucket of Object.keys(SNAPSHOTTERS)) records.list(bucket, SNAPSHOT_CODEC)
  return [...records.unreadable].map((key) => ({
    code: 'record-unreadable',
    subject: key,
    text: 'it is no record of its kind',
    repair: [{ kind: 'remove', key }],
  }))
}

// GET /images/{name}/json and /images/{name}/history
import type { ImageHistoryItem } from '../../api/image-types.ts'
import { formatRfc3339Nano, ZERO_TIME } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'
import type { ContainerDefaults } from '../../oci/parse-image-config.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Engine } from '../engine.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, ApiVersion } from '../http/route.ts'
import { readPlatformObject } from './decode-platform.ts'
import type { Image, ImageContent } from './image-store.ts'
import { readImageTree, requirePlatform } from './image-tree.ts'
import { summarizeManifests } from './manifest-summaries.ts'
import { readImage } from './read-image.ts'
import { resolveImage } from './resolve-image.ts'

export async function inspectImage(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.params['name'] ?? ''
  const { version, query } = request
  const platform = readPlatformObject(request, '1.49')
  const withManifests = version.atLeast('1.48') && isTrue(query, 'manifests')
  if (withManifests && platform !== undefined)
    throw new Failure('invalid-argument', 'conflicting options: manifests and platform options cannot both be set')
  const named = await resolveImage(engine, name)
  const chosen = platform === undefined ? undefined : await ofPlatform(engine, named, platform, name)
  const image = { ...named, ...chosen }
  const size = await engine.images.sizeBytes(image)
  const { config } = image
  const body = {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    ...(version.atLeast('1.52') ? {} : { Parent: '' }),
    ...withoutEmpty(version, { Comment: config.history.at(-1)?.comment ?? '' }),
    Created: config.created ?? (version.atLeast('1.44') ? '' : ZERO_TIME),
    ...(version.atLeast('1.45') ? {} : { Container: '', ContainerConfig: legacyConfig({}) }),
    ...(version.atLeast('1.52') ? {} : { DockerVersion: '' }),
    ...withoutEmpty(version, { Author: config.author ?? '' }),
    Config: configView(version, config.config),
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    ...(config['os.version'] ? { OsVersion: config['os.version'] } : {}),
    Size: size,
    ...(version.atLeast('1.44') ? {} : { VirtualSize: size }),
    ...(version.atLeast('1.52') ? {} : { GraphDriver: { Data: null, Name: 'overlayfs' } }),
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: image.taggedAtMs > 0 ? formatRfc3339Nano(image.taggedAtMs) : ZERO_TIME },
    ...(version.atLeast('1.48') ? { Descriptor: chosen === undefined ? image.target : chosen.manifest } : {}),
    ...(withManifests ? { Manifests: await summarizeManifests(engine, image.target) } : {}),
  }
  return { kind: 'json', status: 200, body }
}

/** Newest first; layers stand beside the entries that made them. */
export async function showHistory(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.params['name'] ?? ''
  const image = await resolveImage(engine, name)
  const platform = readPlatformObject(request, '1.48')
  const { config, chainIds } = platform === undefined ? image : await ofPlatform(engine, image, platform, name)
  const body: ImageHistoryItem[] = []
  let layer = 0
  for (const entry of config.history) {
    const chainId = entry.empty_layer ? undefined : chainIds[layer++]
    body.unshift({
      Comment: entry.comment ?? '',
      Created: createdSeconds(entry.created),
      CreatedBy: entry.created_by ?? '',
      Id: '<missing>',
      Size: chainId === undefined ? 0 : ((await engine.images.layerSizeBytes(chainId)) ?? 0),
      Tags: null,
    })
  }
  if (body[0]) body[0] = { ...body[0], Id: image.id, Tags: [...image.repoTags] }
  return { kind: 'json', status: 200, body }
}

async function ofPlatform(engine: Engine, image: Image, platform: Platform, name: string): Promise<ImageContent> {
  const tree = await readImageTree(engine.containerd, image.target)
  const manifest = await requirePlatform(engine.containerd, tree, platform, name)
  return await readImage(engine.containerd, image.target, manifest.digest)
}

export function createdSeconds(created: string | undefined): number {
  return Math.floor((Date.parse(created ?? '') || 0) / 1000)
}

/** From 1.52 on what is empty is left out. */
function withoutEmpty(version: ApiVersion, fields: Record<string, string>): Record<string, string> {
  if (!version.atLeast('1.52')) return fields
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

function configView(version: ApiVersion, config: Image['config']['config']): object {
  if (version.atLeast('1.52')) return config
  return version.atLeast('1.50') ? laterConfig(config) : legacyConfig(config)
}

/** 1.50 and 1.51 had dropped what never means anything in an image. */
function laterConfig(config: ContainerDefaults): object {
  return {
    ...config,
    User: config.User ?? '',
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
  }
}

function legacyConfig(config: ContainerDefaults): object {
  return {
    Hostname: '',
    Domainname: '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Image: '',
    ...laterConfig(config),
  }
}

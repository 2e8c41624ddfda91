// POST /containers/create: a record, a writable layer, volumes. Nothing runs yet.
import { rmSync } from 'node:fs'
import type { ContainerCreateRequest } from '../../api/container-types.ts'
import { formatRfc3339Nano } from '../../base/clock.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { generateId, shortId } from '../../base/ids.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { formatPlatform, isSamePlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Engine } from '../engine.ts'
import { understoodName } from '../image/find-image.ts'
import type { Image } from '../image/image-store.ts'
import { mapOf } from '../userns/map-of-container.ts'
import type { Container, ContainerRecord } from './container.ts'
import { initialState } from './container-state.ts'
import { generateName } from './generate-name.ts'
import { prepareContainerLayer } from './init-layer.ts'
import { registerLinks } from './links/register-links.ts'
import { makeImageMounts } from './mounts/image-mounts.ts'
import { inheritMounts } from './mounts/inherit-mounts.ts'
import { claimVolumes, makeVolumes } from './mounts/make-volumes.ts'
import { planMounts } from './mounts/plan-mounts.ts'
import { checkLate, checkRequest, commandOf, prepareConfig } from './prepare-config.ts'
import { publishContainerEvent } from './publish-event.ts'
import { parseContainerName } from './rename.ts'
import { removeSnapshot } from './tasks.ts'
import { makeWorkingDirectory } from './working-directory.ts'

export interface CreateOptions {
  /** '' makes one up. */
  name: string
  request: ContainerCreateRequest
  /** A read-only bind leaves what is mounted below it writable, as before API 1.44. */
  isReadOnlyNonRecursive?: boolean
  /** The image's has to be the same; undefined: whichever. */
  platform?: Platform | undefined
}

/** Throws not-found for an unknown image, conflict for a taken name, invalid-argument for what cannot be; nothing is left behind then. */
export async function createContainer(
  engine: Engine,
  options: CreateOptions,
): Promise<{ container: Container; warnings: string[] }> {
  const checked = checkRequest(engine, options.request)
  const image = await requireImage(engine, options)
  const id = generateId()
  const { config, hostConfig, warnings } = await prepareConfig(engine, id, checked, image)
  const name = options.name === '' ? undefined : parseContainerName(options.name)
  await using undo = new UndoStack((error) =>
    engine.log.warn('undo of a create failed', { container: id, error: messageOf(error) }),
  )

  const container = engine.containers.add({
    version: 1,
    id,
    name: name ?? generateName((taken) => engine.containers.hasName(taken), shortId(id)),
    createdAt: formatRfc3339Nano(engine.clock.now()),
    image: describeImage(image),
    ...commandOf(config),
    config,
    hostConfig,
    state: initialState(),
    restartCount: 0,
    wasStopped: false,
    hasRun: false,
    endpoint: undefined,
    mountPoints: planMounts(config, hostConfig, inheritMounts(engine, hostConfig), {
      dataRoot: engine.config.dataRoot,
      isReadOnlyNonRecursive: options.isReadOnlyNonRecursive ?? false,
    }),
  })
  undo.defer(() => engine.containers.delete(container))
  checkLate(hostConfig)
  registerLinks(engine, container)
  const prepared = prepareContainerLayer(engine, id, image, mapOf(engine, container))
  undo.defer(async () => {
    await prepared.catch(() => {})
    await removeSnapshot(engine, id)
  })
  container.makeDirectory()
  undo.defer(() => rmSync(container.directory, { recursive: true, force: true }))
  container.mounts = await prepared
  makeWorkingDirectory(engine, container, container.mounts)
  await makeImageMounts(engine, container, undo)
  await makeVolumes(engine, container, container.mounts, undo)
  container.save()
  claimVolumes(engine, container)
  undo.commit()
  publishContainerEvent(engine, container, 'create')
  return { container, warnings }
}

/** None is named: what is to run has to be all there. */
async function requireImage(engine: Engine, { request, platform }: CreateOptions): Promise<Image> {
  const reference = request.Image ?? ''
  const isEmpty = reference === '' && !request.Entrypoint?.length && !request.Cmd?.length
  if (isEmpty) throw new Failure('invalid-argument', 'no command specified')
  const image = await engine.images.require(reference)
  const { os, architecture, variant } = image.config
  const own = { os, architecture, ...(variant === undefined ? {} : { variant }) }
  if (platform !== undefined && !isSamePlatform(platform, own))
    throw new Failure(
      'not-found',
      `image with reference ${understoodName(reference)} was found but does not provide the specified platform (${formatPlatform(platform)})`,
    )
  return image
}

function describeImage(image: Image): ContainerRecord['image'] {
  const { mediaType, digest, size } = image.manifest
  return { id: image.id, chainId: image.chainId, manifest: { mediaType, digest, size } }
}

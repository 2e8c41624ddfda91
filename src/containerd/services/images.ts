// containerd.services.images.v1
import { create } from '@bufbuild/protobuf'
import { ImageSchema, type Images } from '../../gen/services/images_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { ImageStore } from '../images/image-store.ts'
import { leaseOf, namespaceOf } from './call-namespace.ts'

export function createImagesService(images: ImageStore, collector: CollectScheduler): ServiceHandlers<typeof Images> {
  return {
    get: ({ name }, context) => ({ image: images.require(namespaceOf(context), name) }),
    list: ({ filters }, context) => ({ images: images.list(namespaceOf(context), filters) }),
    create: async ({ image }, context) => ({
      image: await images.create(namespaceOf(context), image ?? create(ImageSchema), leaseOf(context)),
    }),
    update: async ({ image, updateMask }, context) => {
      const paths = updateMask?.paths ?? []
      const updated = await images.update(namespaceOf(context), image ?? create(ImageSchema), paths, leaseOf(context))
      collector.schedule() // the old target may be nobody's now
      return { image: updated }
    },
    delete: async ({ name, sync, target }, context) => {
      await images.delete(namespaceOf(context), name, target?.digest)
      if (sync) await collector.collectNow()
      else collector.schedule()
      return {}
    },
  }
}

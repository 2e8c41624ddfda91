// The door to a container's streams for the engine, which knows containerd only through this folder.
export { attachStream, connectStream, openStream } from '../../shim/stream.ts'

#!/usr/bin/env node
// berth-containerd: containerd's gRPC API over images, snapshots and tasks.
import { serveContainerd } from '../src/containerd/serve-containerd.ts'

process.title = 'berth-containerd'
// What is left open by now are connections to shims, which live on: none of them may keep this process.
process.exit(await serveContainerd(process.argv.slice(2)))

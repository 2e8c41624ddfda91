#!/usr/bin/env node
// berth-containerd: containerd's gRPC API over images, snapshots and tasks.
import { serveContainerd } from '../src/containerd/serve-containerd.ts'

process.title = 'berth-containerd'
process.exitCode = await serveContainerd(process.argv.slice(2))

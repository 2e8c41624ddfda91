#!/usr/bin/env node
// berth-registry: the OCI distribution API over a directory or an object store.
import { runRegistry } from '../src/registry/server/run-registry.ts'

process.title = 'berth-registry'
process.exit(await runRegistry(process.argv.slice(2)))

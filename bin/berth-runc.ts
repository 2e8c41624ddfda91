#!/usr/bin/env node
// berth-runc: the OCI runtime.
import { main } from '../src/runc/main.ts'

process.exit(await main(process.argv.slice(2), process.env))

#!/usr/bin/env node
// berth: the client.
import { main } from '../src/client/main.ts'

process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 141 : 1))
process.exitCode = await main(process.argv.slice(2), process.env)
// What the output pipes still hold is written before the end; open sockets must not keep the program alive.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))

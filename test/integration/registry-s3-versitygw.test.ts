// The suites of the registry over a bucket once more, at a server that keeps S3's conditions, a copy's too, while it answers many requests at once.
import { chooseS3Server } from '../harness/s3-server.ts'

chooseS3Server('versitygw')
await import('./registry-s3.test.ts')
await import('./registry-s3-nodes.test.ts')
await import('./registry-s3-crash.test.ts')

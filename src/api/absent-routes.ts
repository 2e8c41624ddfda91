// Routes of what this engine has none of: swarm, and plugins that an engine itself would run. They answer as a Docker does that has none either.
import { route } from './route-entry.ts'

export const ABSENT_ROUTES = [
  route('GET', '/plugins/privileges', '1.25'),
  route('POST', '/plugins/pull'),
  route('POST', '/plugins/create', '1.25'),
  route('GET', '/plugins'),
  route('GET', '/plugins/{name}/json', '1.25'),
  route('POST', '/plugins/{name}/enable'),
  route('POST', '/plugins/{name}/disable'),
  route('POST', '/plugins/{name}/upgrade', '1.26'),
  route('POST', '/plugins/{name}/push', '1.25'),
  route('POST', '/plugins/{name}/set', '1.25'),
  route('DELETE', '/plugins/{name}'),

  route('GET', '/nodes'),
  route('POST', '/nodes/{id}/update'),
  route('GET', '/nodes/{id}'),
  route('DELETE', '/nodes/{id}'),

  route('POST', '/swarm/init'),
  route('POST', '/swarm/join'),
  route('POST', '/swarm/leave'),
  route('POST', '/swarm/update'),
  route('GET', '/swarm/unlockkey', '1.25'),
  route('POST', '/swarm/unlock', '1.25'),
  route('GET', '/swarm'),

  route('POST', '/services/create'),
  route('GET', '/services'),
  route('POST', '/services/{id}/update'),
  route('GET', '/services/{id}/logs', '1.29'),
  route('GET', '/services/{id}'),
  route('DELETE', '/services/{id}'),

  route('GET', '/tasks'),
  route('GET', '/tasks/{id}/logs', '1.29'),
  route('GET', '/tasks/{id}'),

  route('POST', '/secrets/create', '1.25'),
  route('GET', '/secrets', '1.25'),
  route('POST', '/secrets/{id}/update', '1.25'),
  route('GET', '/secrets/{id}', '1.25'),
  route('DELETE', '/secrets/{id}', '1.25'),

  route('POST', '/configs/create', '1.30'),
  route('GET', '/configs', '1.30'),
  route('POST', '/configs/{id}/update', '1.30'),
  route('GET', '/configs/{id}', '1.30'),
  route('DELETE', '/configs/{id}', '1.30'),

  route('POST', '/networks/prune', '1.25'),
  route('POST', '/build/prune', '1.31'),
] as const

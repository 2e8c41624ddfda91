// config, node, secret, service, stack, swarm: what an engine without a swarm refuses.
import type { CommandEntry } from '../command-index.ts'
import type { Gate } from '../features.ts'

const swarm = (
  paths: readonly [string, ...string[]],
  usage: string,
  summary: string,
  gate: Gate = {},
): CommandEntry => ({
  ...{ paths, usage, summary, ...gate },
  load: async () => (await import('../swarm/ask-manager.ts')).swarmCommand(paths[0]),
})

export const SWARM_COMMANDS: readonly CommandEntry[] = [
  swarm(['config create'], '[OPTIONS] CONFIG file|-', 'Create a config from a file or STDIN'),
  swarm(['config inspect'], '[OPTIONS] CONFIG [CONFIG...]', 'Display detailed information on one or more configs'),
  swarm(['config ls', 'config list'], '[OPTIONS]', 'List configs'),
  swarm(['config rm', 'config remove'], 'CONFIG [CONFIG...]', 'Remove one or more configs'),
  swarm(['node demote'], 'NODE [NODE...]', 'Demote one or more nodes from manager in the swarm'),
  swarm(['node inspect'], '[OPTIONS] self|NODE [NODE...]', 'Display detailed information on one or more nodes'),
  swarm(['node ls', 'node list'], '[OPTIONS]', 'List nodes in the swarm'),
  swarm(['node promote'], 'NODE [NODE...]', 'Promote one or more nodes to manager in the swarm'),
  swarm(['node ps'], '[OPTIONS] [NODE...]', 'List tasks running on one or more nodes, defaults to current node'),
  swarm(['node rm', 'node remove'], '[OPTIONS] NODE [NODE...]', 'Remove one or more nodes from the swarm'),
  swarm(['node update'], '[OPTIONS] NODE', 'Update a node'),
  swarm(['secret create'], '[OPTIONS] SECRET [file|-]', 'Create a secret from a file or STDIN as content'),
  swarm(['secret inspect'], '[OPTIONS] SECRET [SECRET...]', 'Display detailed information on one or more secrets'),
  swarm(['secret ls', 'secret list'], '[OPTIONS]', 'List secrets'),
  swarm(['secret rm', 'secret remove'], 'SECRET [SECRET...]', 'Remove one or more secrets'),
  swarm(['service create'], '[OPTIONS] IMAGE [COMMAND] [ARG...]', 'Create a new service'),
  swarm(['service inspect'], '[OPTIONS] SERVICE [SERVICE...]', 'Display detailed information on one or more services'),
  swarm(['service logs'], '[OPTIONS] SERVICE|TASK', 'Fetch the logs of a service or task'),
  swarm(['service ls', 'service list'], '[OPTIONS]', 'List services'),
  swarm(['service ps'], '[OPTIONS] SERVICE [SERVICE...]', 'List the tasks of one or more services'),
  swarm(['service rm', 'service remove'], 'SERVICE [SERVICE...]', 'Remove one or more services'),
  swarm(['service rollback'], '[OPTIONS] SERVICE', "Revert changes to a service's configuration", { since: '1.31' }),
  swarm(['service scale'], 'SERVICE=REPLICAS [SERVICE=REPLICAS...]', 'Scale one or multiple replicated services'),
  swarm(['service update'], '[OPTIONS] SERVICE', 'Update a service'),
  swarm(['stack ls', 'stack list'], '[OPTIONS]', 'List stacks'),
  swarm(['stack ps'], '[OPTIONS] STACK', 'List the tasks in the stack'),
  swarm(['stack rm', 'stack remove', 'stack down'], '[OPTIONS] STACK [STACK...]', 'Remove one or more stacks'),
  swarm(['stack services'], '[OPTIONS] STACK', 'List the services in the stack'),
  swarm(['swarm ca'], '[OPTIONS]', 'Display and rotate the root CA', { since: '1.30', needsSwarm: 'manager' }),
  swarm(['swarm init'], '[OPTIONS]', 'Initialize a swarm'),
  swarm(['swarm join'], '[OPTIONS] HOST:PORT', 'Join a swarm as a node and/or manager'),
  swarm(['swarm join-token'], '[OPTIONS] (worker|manager)', 'Manage join tokens', { needsSwarm: 'manager' }),
  swarm(['swarm leave'], '[OPTIONS]', 'Leave the swarm', { needsSwarm: 'active' }),
  swarm(['swarm unlock'], '', 'Unlock swarm', { needsSwarm: 'manager' }),
  swarm(['swarm unlock-key'], '[OPTIONS]', 'Manage the unlock key', { needsSwarm: 'manager' }),
  swarm(['swarm update'], '[OPTIONS]', 'Update the swarm', { needsSwarm: 'manager' }),
]

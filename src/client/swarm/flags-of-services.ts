// The flags of `service …`. A flag a line: name, letter, type (none: it is set or not), the API version that brought it, what the help says; `@list` and `@inspect` are the usual flags of formats.

export const SERVICE_FLAGS: Readonly<Record<string, string>> = {
  'service create': `
cap-add||list|1.41|Add Linux capabilities
cap-drop||list|1.41|Drop Linux capabilities
config||config|1.30|Specify configurations to expose to the service
constraint||list||Placement constraints
container-label||list||Container labels
credential-spec||credential-spec|1.29|Credential spec for managed service account (Windows only)
detach|d||1.29|Exit immediately instead of waiting for the service to converge
dns||list|1.25|Set custom DNS servers
dns-option||list|1.25|Set DNS options
dns-search||list|1.25|Set custom DNS search domains
endpoint-mode||string||Endpoint mode (vip or dnsrr) (default "vip")
entrypoint||command||Overwrite the default ENTRYPOINT of the image
env|e|list||Set environment variables
env-file||list||Read in a file of environment variables
generic-resource||list||User defined resources
group||list|1.25|Set one or more supplementary user groups for the container
health-cmd||string|1.25|Command to run to check health
health-interval||duration|1.25|Time between running the check (ms|s|m|h)
health-retries||int|1.25|Consecutive failures needed to report unhealthy
health-start-interval||duration|1.44|Time between running the check during the start period (ms|s|m|h)
health-start-period||duration|1.29|Start period for the container to initialize before counting retries towards unstable (ms|s|m|h)
health-timeout||duration|1.25|Maximum time to allow one check to run (ms|s|m|h)
host||list|1.25|Set one or more custom host-to-IP mappings (host:ip)
hostname||string|1.25|Container hostname
init|||1.37|Use an init inside each service container to forward signals and reap processes
isolation||string|1.35|Service container isolation mode
label|l|list||Service labels
limit-cpu||decimal||Limit CPUs
limit-memory||bytes||Limit Memory
limit-pids||int|1.41|Limit maximum number of processes (default 0 = unlimited)
log-driver||string||Logging driver for service
log-opt||list||Logging driver options
max-concurrent||uint|1.41|Number of job tasks to run concurrently (default equal to --replicas)
mode||string||Service mode ("replicated", "global", "replicated-job", "global-job") (default "replicated")
mount||mount||Attach a filesystem mount to the service
name||string||Service name
network||network||Network attachments
no-healthcheck|||1.25|Disable any container-specified HEALTHCHECK
no-resolve-image|||1.30|Do not query the registry to resolve image digest and supported platforms
oom-score-adj||int|1.46|Tune host's OOM preferences (-1000 to 1000) 
placement-pref||pref|1.28|Add a placement preference
publish|p|port||Publish a port as a node port
quiet|q|||Suppress progress output
read-only|||1.28|Mount the container's root filesystem as read only
replicas||uint||Number of tasks
replicas-max-per-node||uint|1.40|Maximum number of tasks per node (default 0 = unlimited)
reserve-cpu||decimal||Reserve CPUs
reserve-memory||bytes||Reserve Memory
restart-condition||string||Restart when condition is met ("none", "on-failure", "any") (default "any")
restart-delay||duration||Delay between restart attempts (ns|us|ms|s|m|h) (default 5s)
restart-max-attempts||uint||Maximum number of restarts before giving up
restart-window||duration||Window used to evaluate the restart policy (ns|us|ms|s|m|h)
rollback-delay||duration|1.28|Delay between task rollbacks (ns|us|ms|s|m|h) (default 0s)
rollback-failure-action||string|1.28|Action on rollback failure ("pause", "continue") (default "pause")
rollback-max-failure-ratio||float|1.28|Failure rate to tolerate during a rollback (default 0)
rollback-monitor||duration|1.28|Duration after each task rollback to monitor for failure (ns|us|ms|s|m|h) (default 5s)
rollback-order||string|1.29|Rollback order ("start-first", "stop-first") (default "stop-first")
rollback-parallelism||uint|1.28|Maximum number of tasks rolled back simultaneously (0 to roll back all at once) (default 1)
secret||secret|1.25|Specify secrets to expose to the service
stop-grace-period||duration||Time to wait before force killing a container (ns|us|ms|s|m|h) (default 10s)
stop-signal||string|1.28|Signal to stop the container
sysctl||list|1.40|Sysctl options
tty|t||1.25|Allocate a pseudo-TTY
ulimit||ulimit|1.41|Ulimit options (default [])
update-delay||duration||Delay between updates (ns|us|ms|s|m|h) (default 0s)
update-failure-action||string||Action on update failure ("pause", "continue", "rollback") (default "pause")
update-max-failure-ratio||float|1.25|Failure rate to tolerate during an update (default 0)
update-monitor||duration|1.25|Duration after each task update to monitor for failure (ns|us|ms|s|m|h) (default 5s)
update-order||string|1.29|Update order ("start-first", "stop-first") (default "stop-first")
update-parallelism||uint||Maximum number of tasks updated simultaneously (0 to update all at once) (default 1)
user|u|string||Username or UID (format: <name|uid>[:<group|gid>])
with-registry-auth||||Send registry authentication details to swarm agents
workdir|w|string||Working directory inside the container
`,
  'service inspect': `
format|f|string||@inspect
pretty||||Print the information in a human friendly format
`,
  'service logs': `
details|||1.30|Show extra details provided to logs
follow|f|||Follow log output
no-resolve||||Do not map IDs to Names in output
no-task-ids||||Do not include task IDs in output
no-trunc||||Do not truncate output
raw|||1.30|Do not neatly format logs
since||string||Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
tail|n|string||Number of lines to show from the end of the logs (default "all")
timestamps|t|||Show timestamps
`,
  'service ls': `
filter|f|filter||Filter output based on conditions provided
format||string||@list
quiet|q|||Only display IDs
`,
  'service ps': `
filter|f|filter||Filter output based on conditions provided
format||string||Pretty-print tasks using a Go template
no-resolve||||Do not map IDs to Names
no-trunc||||Do not truncate output
quiet|q|||Only display task IDs
`,
  'service rollback': `
detach|d|||Exit immediately instead of waiting for the service to converge
quiet|q|||Suppress progress output
`,
  'service scale': `
detach|d|||Exit immediately instead of waiting for the service to converge
`,
  'service update': `
args||command||Service command args
cap-add||list|1.41|Add Linux capabilities
cap-drop||list|1.41|Drop Linux capabilities
config-add||config|1.30|Add or update a config file on a service
config-rm||list|1.30|Remove a configuration file
constraint-add||list||Add or update a placement constraint
constraint-rm||list||Remove a constraint
container-label-add||list||Add or update a container label
container-label-rm||list||Remove a container label by its key
credential-spec||credential-spec|1.29|Credential spec for managed service account (Windows only)
detach|d||1.29|Exit immediately instead of waiting for the service to converge
dns-add||list|1.25|Add or update a custom DNS server
dns-option-add||list|1.25|Add or update a DNS option
dns-option-rm||list|1.25|Remove a DNS option
dns-rm||list|1.25|Remove a custom DNS server
dns-search-add||list|1.25|Add or update a custom DNS search domain
dns-search-rm||list|1.25|Remove a DNS search domain
endpoint-mode||string||Endpoint mode (vip or dnsrr)
entrypoint||command||Overwrite the default ENTRYPOINT of the image
env-add||list||Add or update an environment variable
env-rm||list||Remove an environment variable
force|||1.25|Force update even if no changes require it
generic-resource-add||list||Add a Generic resource
generic-resource-rm||list||Remove a Generic resource
group-add||list|1.25|Add an additional supplementary user group to the container
group-rm||list|1.25|Remove a previously added supplementary user group from the container
health-cmd||string|1.25|Command to run to check health
health-interval||duration|1.25|Time between running the check (ms|s|m|h)
health-retries||int|1.25|Consecutive failures needed to report unhealthy
health-start-interval||duration|1.44|Time between running the check during the start period (ms|s|m|h)
health-start-period||duration|1.29|Start period for the container to initialize before counting retries towards unstable (ms|s|m|h)
health-timeout||duration|1.25|Maximum time to allow one check to run (ms|s|m|h)
host-add||list|1.32|Add a custom host-to-IP mapping ("host:ip")
host-rm||list|1.25|Remove a custom host-to-IP mapping ("host:ip")
hostname||string|1.25|Container hostname
image||string||Service image tag
init|||1.37|Use an init inside each service container to forward signals and reap processes
isolation||string|1.35|Service container isolation mode
label-add||list||Add or update a service label
label-rm||list||Remove a label by its key
limit-cpu||decimal||Limit CPUs
limit-memory||bytes||Limit Memory
limit-pids||int|1.41|Limit maximum number of processes (default 0 = unlimited)
log-driver||string||Logging driver for service
log-opt||list||Logging driver options
max-concurrent||uint|1.41|Number of job tasks to run concurrently (default equal to --replicas)
mount-add||mount||Add or update a mount on a service
mount-rm||list||Remove a mount by its target path
network-add||network|1.29|Add a network
network-rm||list|1.29|Remove a network
no-healthcheck|||1.25|Disable any container-specified HEALTHCHECK
no-resolve-image|||1.30|Do not query the registry to resolve image digest and supported platforms
oom-score-adj||int|1.46|Tune host's OOM preferences (-1000 to 1000) 
placement-pref-add||pref|1.28|Add a placement preference
placement-pref-rm||pref|1.28|Remove a placement preference
publish-add||port||Add or update a published port
publish-rm||port||Remove a published port by its target port
quiet|q|||Suppress progress output
read-only|||1.28|Mount the container's root filesystem as read only
replicas||uint||Number of tasks
replicas-max-per-node||uint|1.40|Maximum number of tasks per node (default 0 = unlimited)
reserve-cpu||decimal||Reserve CPUs
reserve-memory||bytes||Reserve Memory
restart-condition||string||Restart when condition is met ("none", "on-failure", "any")
restart-delay||duration||Delay between restart attempts (ns|us|ms|s|m|h)
restart-max-attempts||uint||Maximum number of restarts before giving up
restart-window||duration||Window used to evaluate the restart policy (ns|us|ms|s|m|h)
rollback|||1.25|Rollback to previous specification
rollback-delay||duration|1.28|Delay between task rollbacks (ns|us|ms|s|m|h)
rollback-failure-action||string|1.28|Action on rollback failure ("pause", "continue")
rollback-max-failure-ratio||float|1.28|Failure rate to tolerate during a rollback
rollback-monitor||duration|1.28|Duration after each task rollback to monitor for failure (ns|us|ms|s|m|h)
rollback-order||string|1.29|Rollback order ("start-first", "stop-first")
rollback-parallelism||uint|1.28|Maximum number of tasks rolled back simultaneously (0 to roll back all at once)
secret-add||secret|1.25|Add or update a secret on a service
secret-rm||list|1.25|Remove a secret
stop-grace-period||duration||Time to wait before force killing a container (ns|us|ms|s|m|h)
stop-signal||string|1.28|Signal to stop the container
sysctl-add||list|1.40|Add or update a Sysctl option
sysctl-rm||list|1.40|Remove a Sysctl option
tty|t||1.25|Allocate a pseudo-TTY
ulimit-add||ulimit|1.41|Add or update a ulimit option (default [])
ulimit-rm||list|1.41|Remove a ulimit option
update-delay||duration||Delay between updates (ns|us|ms|s|m|h)
update-failure-action||string||Action on update failure ("pause", "continue", "rollback")
update-max-failure-ratio||float|1.25|Failure rate to tolerate during an update
update-monitor||duration|1.25|Duration after each task update to monitor for failure (ns|us|ms|s|m|h)
update-order||string|1.29|Update order ("start-first", "stop-first")
update-parallelism||uint||Maximum number of tasks updated simultaneously (0 to update all at once)
user|u|string||Username or UID (format: <name|uid>[:<group|gid>])
with-registry-auth||||Send registry authentication details to swarm agents
workdir|w|string||Working directory inside the container
`,
}

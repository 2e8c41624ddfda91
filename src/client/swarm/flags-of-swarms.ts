// The flags of `config`, `node`, `secret`, `stack` and `swarm`. A flag a line: name, letter, type (none: it is set or not), the API version that brought it, what the help says; `@list` and `@inspect` are the usual flags of formats.

export const SWARM_FLAGS: Readonly<Record<string, string>> = {
  'config create': `
label|l|list||Config labels
template-driver||string|1.37|Template driver
`,
  'config inspect': `
format|f|string||@inspect
pretty||||Print the information in a human friendly format
`,
  'config ls': `
filter|f|filter||Filter output based on conditions provided
format||string||@list
quiet|q|||Only display IDs
`,
  'node inspect': `
format|f|string||@inspect
pretty||||Print the information in a human friendly format
`,
  'node ls': `
filter|f|filter||Filter output based on conditions provided
format||string||@list
quiet|q|||Only display IDs
`,
  'node ps': `
filter|f|filter||Filter output based on conditions provided
format||string||Pretty-print tasks using a Go template
no-resolve||||Do not map IDs to Names
no-trunc||||Do not truncate output
quiet|q|||Only display task IDs
`,
  'node rm': `
force|f|||Force remove a node from the swarm
`,
  'node update': `
availability||string||Availability of the node ("active", "pause", "drain")
label-add||list||Add or update a node label ("key=value")
label-rm||list||Remove a node label if exists
role||string||Role of the node ("worker", "manager")
`,
  'secret create': `
driver|d|string|1.31|Secret driver
label|l|list||Secret labels
template-driver||string|1.37|Template driver
`,
  'secret inspect': `
format|f|string||@inspect
pretty||||Print the information in a human friendly format
`,
  'secret ls': `
filter|f|filter||Filter output based on conditions provided
format||string||@list
quiet|q|||Only display IDs
`,
  'stack ls': `
format||string||@list
`,
  'stack ps': `
filter|f|filter||Filter output based on conditions provided
format||string||@list
no-resolve||||Do not map IDs to Names
no-trunc||||Do not truncate output
quiet|q|||Only display task IDs
`,
  'stack rm': `
detach|d|||Do not wait for stack removal (default true)
`,
  'stack services': `
filter|f|filter||Filter output based on conditions provided
format||string||@list
quiet|q|||Only display IDs
`,
  'swarm ca': `
ca-cert||pem-file||Path to the PEM-formatted root CA certificate to use for the new cluster
ca-key||pem-file||Path to the PEM-formatted root CA key to use for the new cluster
cert-expiry||duration||Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)
detach|d|||Exit immediately instead of waiting for the root rotation to converge
external-ca||external-ca||Specifications of one or more certificate signing endpoints
quiet|q|||Suppress progress output
rotate||||Rotate the swarm CA - if no certificate or key are provided, new ones will be generated
`,
  'swarm init': `
advertise-addr||string||Advertised address (format: "<ip|interface>[:port]")
autolock||||Enable manager autolocking (requiring an unlock key to start a stopped manager)
availability||string||Availability of the node ("active", "pause", "drain") (default "active")
cert-expiry||duration||Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)
data-path-addr||string|1.31|Address or interface to use for data path traffic (format: "<ip|interface>")
data-path-port||uint32|1.40|Port number to use for data path traffic (1024 - 49151). If no value is set or is set to 0, the default port (4789) is used.
default-addr-pool||ipNetSlice|1.39|default address pool in CIDR format (default [])
default-addr-pool-mask-length||uint32|1.39|default address pool subnet mask length (default 24)
dispatcher-heartbeat||duration||Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)
external-ca||external-ca||Specifications of one or more certificate signing endpoints
force-new-cluster||||Force create a new cluster from current state
listen-addr||node-addr||Listen address (format: "<ip|interface>[:port]") (default 0.0.0.0:2377)
max-snapshots||uint|1.25|Number of additional Raft snapshots to retain
snapshot-interval||uint|1.25|Number of log entries between Raft snapshots (default 10000)
task-history-limit||int||Task history retention limit (default 5)
`,
  'swarm join': `
advertise-addr||string||Advertised address (format: "<ip|interface>[:port]")
availability||string||Availability of the node ("active", "pause", "drain") (default "active")
data-path-addr||string|1.31|Address or interface to use for data path traffic (format: "<ip|interface>")
listen-addr||node-addr||Listen address (format: "<ip|interface>[:port]") (default 0.0.0.0:2377)
token||string||Token for entry into the swarm
`,
  'swarm join-token': `
quiet|q|||Only display token
rotate||||Rotate join token
`,
  'swarm leave': `
force|f|||Force this node to leave the swarm, ignoring warnings
`,
  'swarm unlock-key': `
quiet|q|||Only display token
rotate||||Rotate unlock key
`,
  'swarm update': `
autolock||||Change manager autolocking setting (true|false)
cert-expiry||duration||Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)
dispatcher-heartbeat||duration||Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)
external-ca||external-ca||Specifications of one or more certificate signing endpoints
max-snapshots||uint|1.25|Number of additional Raft snapshots to retain
snapshot-interval||uint|1.25|Number of log entries between Raft snapshots (default 10000)
task-history-limit||int||Task history retention limit (default 5)
`,
}

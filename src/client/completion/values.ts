// Fixed values that flags take.

export const SIGNALS =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMAX-14 RTMAX-13 RTMAX-12 RTMAX-11 RTMAX-10 RTMAX-9 RTMAX-8 RTMAX-7 RTMAX-6 RTMAX-5 RTMAX-4 RTMAX-3 RTMAX-2 RTMAX-1 RTMAX'.split(
    ' ',
  )

/** capabilities(7), as of Linux 5.9. */
export const CAPABILITIES = [
  'ALL',
  ...'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
    .split(' ')
    .map((name) => `CAP_${name}`),
]

export const PLATFORMS =
  'linux/386 linux/amd64 linux/arm linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm64 linux/arm64/v8 linux/ppc64le linux/s390x linux/riscv64 windows/amd64 wasip1/wasm'.split(
    ' ',
  )

/** setrlimit(2) by the names of limits.conf(5). */
export const ULIMITS =
  'as chroot core cpu data fsize locks maxlogins maxsyslogins memlock msgqueue nice nofile nproc priority rss rtprio sigpending stack'
    .split(' ')
    .map((name) => `${name}=`)

export const RESTART_POLICIES = ['no', 'always', 'on-failure', 'unless-stopped']

const WITH_LABELS = ['max-buffer-size', 'mode', 'env', 'env-regex', 'labels']

/** Options of the log drivers that are built in. */
export const LOG_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  awslogs:
    'max-buffer-size mode awslogs-create-group awslogs-credentials-endpoint awslogs-datetime-format awslogs-group awslogs-multiline-pattern awslogs-region awslogs-stream tag'.split(
      ' ',
    ),
  fluentd: [
    ...WITH_LABELS,
    ...'fluentd-address fluentd-async fluentd-buffer-limit fluentd-request-ack fluentd-retry-wait fluentd-max-retries fluentd-sub-second-precision fluentd-write-timeout tag'.split(
      ' ',
    ),
  ],
  gcplogs: [...WITH_LABELS, 'gcp-log-cmd', 'gcp-meta-id', 'gcp-meta-name', 'gcp-meta-zone', 'gcp-project'],
  gelf: [
    ...WITH_LABELS,
    ...'gelf-address gelf-compression-level gelf-compression-type gelf-tcp-max-reconnect gelf-tcp-reconnect-delay tag'.split(
      ' ',
    ),
  ],
  journald: [...WITH_LABELS, 'tag'],
  'json-file': [...WITH_LABELS, 'compress', 'max-file', 'max-size'],
  local: ['max-buffer-size', 'mode', 'compress', 'max-file', 'max-size'],
  none: [],
  splunk: [
    ...WITH_LABELS,
    ...'splunk-caname splunk-capath splunk-format splunk-gzip splunk-gzip-level splunk-index splunk-insecureskipverify splunk-source splunk-sourcetype splunk-token splunk-url splunk-verify-connection tag'.split(
      ' ',
    ),
  ],
  syslog: [
    ...WITH_LABELS,
    ...'syslog-address syslog-facility syslog-format syslog-tls-ca-cert syslog-tls-cert syslog-tls-key syslog-tls-skip-verify tag'.split(
      ' ',
    ),
  ],
}

export const EVENT_TYPES = 'builder config container daemon image network node plugin secret service volume'.split(' ')

export const EVENT_ACTIONS =
  'create start restart stop checkpoint pause unpause attach detach resize update rename kill die oom destroy remove commit top copy archive-path extract-to-dir export import save load tag untag push pull prune delete enable disable connect disconnect reload mount unmount exec_create exec_start exec_die exec_detach health_status'.split(
    ' ',
  )

export const OBJECT_TYPES = 'config container image network node plugin secret service task volume'.split(' ')

// What Kamailio is told: a carrier's routing script for one test, written from a few options.
import { formatEndpoint } from '../../packages/network/src/sip/hop.ts'
import type { Hop } from '../../packages/network/src/sip/hop.ts'
import { CA_PATH, certificatePaths } from './certificates.ts'

export interface KamailioOptions {
  /** Where calls go; null: nowhere (404), but for those that registered. */
  relayTo?: Hop | null
  /** Every INVITE (and REGISTER) has to show these. `inDialog`: later requests too. */
  digest?: {
    username: string
    password: string
    algorithm: 'MD5' | 'SHA-256'
    inDialog?: boolean
  } | null
  /** Every INVITE is refused with this code. */
  refuses?: number | null
  /** Takes REGISTER, and sends calls to whoever registered. */
  registrar?: { minExpiresSec?: number; maxExpiresSec?: number } | null
  /** What it shows over TLS. */
  certificate?: 'carrier' | 'stranger'
  /** Over TLS only those are heard who show a certificate of the tests' CA. */
  wantsClientCertificate?: boolean
}

/** What it challenges for. */
export const REALM = 'carrier.example'

const MODULES = ['tm', 'sl', 'rr', 'pv', 'maxfwd', 'textops', 'siputils', 'auth', 'tls']

export function kamailioConfig(
  options: KamailioOptions,
  at: { address: string; port: number; tlsPort: number; tlsFile: string },
): string {
  const { digest, registrar } = options
  const modules = registrar ? [...MODULES, 'usrloc', 'registrar'] : MODULES
  return [
    'debug=1',
    'log_stderror=yes',
    'fork=yes',
    'children=2',
    'tcp_children=2',
    'enable_tls=yes',
    'dns=no',
    'rev_dns=no',
    'auto_aliases=no',
    `listen=udp:${at.address}:${at.port}`,
    `listen=tcp:${at.address}:${at.port}`,
    `listen=tls:${at.address}:${at.tlsPort}`,
    ...modules.map((name) => `loadmodule "${name}.so"`),
    `modparam("tls", "config", "${at.tlsFile}")`,
    ...(digest ? [`modparam("auth", "algorithm", "${digest.algorithm}")`] : []),
    ...(registrar ? registrarParams(registrar) : []),
    'request_route {',
    ...requestRoute(options),
    '}',
    '',
  ].join('\n')
}

function registrarParams(registrar: { minExpiresSec?: number; maxExpiresSec?: number }): string[] {
  const { minExpiresSec = 5, maxExpiresSec = 3600 } = registrar
  return [
    'modparam("usrloc", "db_mode", 0)',
    `modparam("registrar", "min_expires", ${minExpiresSec})`,
    `modparam("registrar", "max_expires", ${maxExpiresSec})`,
  ]
}

function requestRoute(options: KamailioOptions): string[] {
  const { relayTo = null, digest = null, refuses = null, registrar = null } = options
  const challenge = digest ? proxyChallenge(digest) : []
  return [
    'if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }',
    'if (is_method("OPTIONS") && !has_totag()) { sl_send_reply("200", "OK"); exit; }',
    'if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }',
    'if (has_totag()) {',
    ...(digest?.inDialog === true ? ['if (!is_method("ACK")) {', ...challenge, '}'] : []),
    '  if (loose_route()) { t_relay(); exit; }',
    '  if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }',
    '  sl_send_reply("404", "Not Here"); exit;',
    '}',
    't_check_trans();',
    ...(registrar ? ['if (is_method("REGISTER")) {', ...registration(digest), '}'] : []),
    ...(refuses === null ? [] : [`sl_send_reply("${refuses}", "Refused"); exit;`]),
    ...challenge,
    'record_route();',
    ...(registrar ? ['if (lookup("location")) { t_relay(); exit; }'] : []),
    ...(relayTo
      ? [`$du = "${uriOf(relayTo)}";`, 't_relay();', 'exit;']
      : ['sl_send_reply("404", "Not Found"); exit;']),
  ].map((line) => `  ${line}`)
}

function proxyChallenge({ username, password }: { username: string; password: string }): string[] {
  return [
    `if (!pv_proxy_authenticate("${REALM}", "${password}", "0") || $au != "${username}") {`,
    `  proxy_challenge("${REALM}", "0"); exit;`,
    '}',
    'consume_credentials();',
  ]
}

function registration(digest: KamailioOptions['digest']): string[] {
  const asks = digest
    ? [
        `if (!pv_www_authenticate("${REALM}", "${digest.password}", "0") || $au != "${digest.username}") {`,
        `  www_challenge("${REALM}", "0"); exit;`,
        '}',
      ]
    : []
  return [...asks, 'if (!save("location")) { sl_reply_error(); }', 'exit;']
}

function uriOf(hop: Hop): string {
  return `sip:${formatEndpoint(hop)};transport=${hop.protocol.toLowerCase()}`
}

/** As a server it shows its certificate; as a client it trusts the tests' CA, and shows the same. */
export function tlsConfig(options: KamailioOptions): string {
  const { certificate, key } = certificatePaths(options.certificate ?? 'carrier')
  const own = [
    'method = TLSv1.2+',
    `private_key = ${key}`,
    `certificate = ${certificate}`,
    `ca_list = ${CA_PATH}`,
  ]
  const asks = options.wantsClientCertificate === true ? 'yes' : 'no'
  return [
    '[server:default]',
    ...own,
    `verify_certificate = ${asks}`,
    `require_certificate = ${asks}`,
    '[client:default]',
    ...own,
    'verify_certificate = yes',
    'require_certificate = yes',
    '',
  ].join('\n')
}

// What is read: first pages, deep ones, and filters whose rows are few and old, which is where a list goes astray.
import { RARE, RARE_ROWS, callIdOf } from './rows.mjs'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Each read by its name, path, and the key it is read with when that is not the first. */
export async function readsOf({ server, token, calls, others, numberId }) {
  const scoped = await scopedKey(server, token)
  const list = (what, query, key) => ({
    what: `calls: ${what}`,
    path: `/calls?limit=50${query}`,
    key,
  })
  const old = new Date(Date.now() - 4 * 365 * DAY_MS)
  const window = (fromMs, toMs) =>
    `&since=${new Date(old.getTime() + fromMs).toISOString()}&until=${new Date(old.getTime() + toMs).toISOString()}`
  return [
    list('first page', ''),
    list('page in the middle', `&cursor=${callIdOf(Math.floor(calls / 2))}`),
    list('last page', `&cursor=${callIdOf(RARE_ROWS / 2)}`),
    list('a usual status', '&status=completed'),
    list('a rare status', `&status=${RARE.status}`),
    list('a usual number', `&numberId=${numberId}`),
    list('a rare number', `&numberId=${RARE.numberIds[0]}`),
    list('a rare peer', `&to=${encodeURIComponent(RARE.to)}`),
    list('a peer that nobody called', '&to=%2B15557777777'),
    list('an old hour', window(DAY_MS, DAY_MS + HOUR_MS)),
    list('since ever', window(-DAY_MS, 10_000 * DAY_MS)),
    list('until an old day', window(-DAY_MS, DAY_MS)),
    list('a rare status in all time', `&status=${RARE.status}${window(-DAY_MS, 10_000 * DAY_MS)}`),
    list('a rare peer and a usual status', `&to=${encodeURIComponent(RARE.to)}&status=completed`),
    list('a key that sees two rare numbers', '', scoped),
    { what: 'transactions: first page', path: '/transactions?limit=50' },
    {
      what: 'transactions: page in the middle',
      path: `/transactions?limit=50&cursor=${callIdOf(Math.floor(others / 2)).replace('call_', 'txn_')}`,
    },
    { what: 'consent: first page', path: '/consent?limit=50' },
    {
      what: 'consent: a rare peer',
      path: `/consent?limit=50&peerNumber=${encodeURIComponent(RARE.peer)}`,
    },
    { what: 'events: in the middle', path: `/events?limit=50&after=${Math.floor(others / 2)}` },
    {
      what: 'usage of a month without calls',
      path: `/usage?since=${new Date(Date.now() - 30 * DAY_MS).toISOString()}`,
    },
    { what: 'usage of all time', path: '/usage' },
  ]
}

/** The numbers are made the first time, the key every time. */
async function scopedKey({ url, store }, token) {
  const tenant = { workspaceId: 'ws_default', environment: 'test' }
  for (const [index, id] of RARE.numberIds.entries()) {
    if (await store.tables.numbers.get(tenant, id)) continue
    await store.tables.numbers.insert({
      ...tenant,
      id,
      phoneNumber: `+1555000990${index}`,
      connectionId: null,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: null,
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt: 0,
    })
  }
  const answer = await fetch(`${url}/api-tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'scoped', scopes: ['calls:read'], numberScope: RARE.numberIds }),
  })
  const minted = await answer.json()
  if (!answer.ok) throw new Error(JSON.stringify(minted))
  return minted.token
}

// Calls: placing, steering and reading them.
import { endpoint, file, json, page, redirect, stream } from '../endpoint.ts'
import { CallEvent } from '../shapes/call-event.ts'
import {
  Call,
  Transcript,
  dtmfBody,
  endCallBody,
  placeCallBody,
  speakBody,
  transferCallBody,
} from '../shapes/call.ts'
import { callSipQuery, listCallsQuery, listQuery } from '../shapes/query.ts'

export const placeCall = endpoint({
  name: 'placeCall',
  resource: 'Calls',
  method: 'POST',
  path: '/calls',
  summary: 'Place a call',
  description:
    'Answers at the first ringing or answer of the carrier, or after 8 seconds. A callee who is busy, declines or does not answer is a placed call; a carrier that takes no call is `CallStartFailed`.',
  scope: 'calls:create',
  body: placeCallBody,
  success: json(201, Call),
  errors: [
    'NumberNotFound',
    'ConnectionNotFound',
    'NumberHasNoConnection',
    'BrainUnavailable',
    'DestinationNotAllowed',
    'ConsentRequired',
    'RecipientOptedOut',
    'CallingHoursBlocked',
    'InsufficientFunds',
    'SpendLimitExceeded',
    'ConcurrencyLimited',
    'CallStartFailed',
  ],
})

export const endCall = endpoint({
  name: 'endCall',
  resource: 'Calls',
  method: 'POST',
  path: '/calls/:id/end',
  summary: 'End a call',
  description:
    'Hangs up at the carrier and settles; before the answer it cancels. A call that is already final is returned unchanged. The body may be absent.',
  scope: 'calls:create',
  body: endCallBody,
  success: json(200, Call),
  errors: ['CallNotFound'],
})

export const transferCall = endpoint({
  name: 'transferCall',
  resource: 'Calls',
  method: 'POST',
  path: '/calls/:id/transfer',
  summary: 'Transfer a call',
  description:
    'Blind. Answers once the carrier has accepted, and the agent’s part is over when the target has answered. A carrier that can’t do it is done without: the network calls the target, which is billed at its own rate, and joins the two until either hangs up. The call ends as `transferred`; when the target fails, it goes on.',
  scope: 'calls:control',
  body: transferCallBody,
  success: json(200, Call),
  errors: [
    'CallNotFound',
    'CallNotActive',
    'DestinationNotAllowed',
    'RecipientOptedOut',
    'TransferFailed',
  ],
})

export const speakOnCall = endpoint({
  name: 'speakOnCall',
  resource: 'Calls',
  method: 'POST',
  path: '/calls/:id/speak',
  summary: 'Say something on a live call',
  scope: 'calls:control',
  body: speakBody,
  success: json(200, Call),
  errors: ['CallNotFound', 'CallNotActive'],
})

export const sendDtmf = endpoint({
  name: 'sendDtmf',
  resource: 'Calls',
  method: 'POST',
  path: '/calls/:id/dtmf',
  summary: 'Press digits on a live call',
  scope: 'calls:control',
  body: dtmfBody,
  success: json(200, Call),
  errors: ['CallNotFound', 'CallNotActive'],
})

export const getCall = endpoint({
  name: 'getCall',
  resource: 'Calls',
  method: 'GET',
  path: '/calls/:id',
  summary: 'Read a call',
  scope: 'any',
  success: json(200, Call),
  errors: ['CallNotFound'],
})

export const listCalls = endpoint({
  name: 'listCalls',
  resource: 'Calls',
  method: 'GET',
  path: '/calls',
  summary: 'List calls',
  scope: 'any',
  query: listCallsQuery,
  success: page(Call),
  errors: [],
})

export const getTranscript = endpoint({
  name: 'getTranscript',
  resource: 'Calls',
  method: 'GET',
  path: '/calls/:id/transcript',
  summary: 'Read what was said',
  scope: 'calls:read',
  success: json(200, Transcript),
  errors: ['CallNotFound'],
})

export const getRecording = endpoint({
  name: 'getRecording',
  resource: 'Calls',
  method: 'GET',
  path: '/calls/:id/recording',
  summary: 'Get the recording',
  description:
    'Redirects to a link that lives 15 minutes: WAV, 16-bit PCM, 8 kHz, left is the peer, right the agent. `NotFound` until `hasRecording` is true.',
  scope: 'calls:read',
  success: redirect(),
  errors: ['CallNotFound', 'NotFound'],
})

export const listCallEvents = endpoint({
  name: 'listCallEvents',
  resource: 'Calls',
  method: 'GET',
  path: '/calls/:id/events',
  summary: 'Read the timeline of a call, or follow it live',
  description:
    'Oldest first. With `Accept: text/event-stream` past events come first, then live ones; `id:` is the event’s id, `Last-Event-ID` resumes, and the stream closes after `ended`.',
  scope: 'calls:read',
  query: listQuery,
  success: stream(CallEvent),
  errors: ['CallNotFound'],
})

export const getCallSip = endpoint({
  name: 'getCallSip',
  resource: 'Calls',
  method: 'GET',
  path: '/calls/:id/sip',
  summary: 'Read the signalling of a call',
  description:
    'The SIP messages of the call as a ladder and in full, or as a capture file with `format=pcap`, for support. Passwords, digests, SRTP keys and pressed digits are masked. Live, and for 30 days after the end; `NotFound` when nothing is kept.',
  scope: 'calls:control',
  query: callSipQuery,
  success: file('text/plain; charset=utf-8', 'application/vnd.tcpdump.pcap'),
  errors: ['CallNotFound', 'NotFound'],
})

// Messages between the SIP side (main thread) and the media workers. Plain data; audio stays in the workers.
import type { Codec } from '../codec/codec.ts'
import type { PlaneLoad } from './load.ts'
import type { QualityReport } from '../rtp/quality.ts'
import type { SrtpKeys } from '../rtp/srtp-keys.ts'
import type { ConfiguredSpeech } from '../speech/settings.ts'
import type { TalkCommand, TalkEvent, TalkOptions } from '../talk/port.ts'

/** What two sides agreed on for one leg (or changed by re-INVITE). */
export interface MediaAgreement {
  /** `rtcpPort`: where reports go when it isn't the next port. */
  remote: { address: string; port: number; rtcpPort?: number | null }
  /** What we send, and the RTP payload type that the peer wants for it. */
  codec: Codec
  payloadType: number
  /** What the peer may send, by the payload types that we have told it. Static ones are understood in any case. */
  accepts: readonly { codec: Codec; payloadType: number }[]
  /** RTP payload type of telephone-event, or null when the peer has none; and the rate of its clock. */
  dtmfPayloadType: number | null
  dtmfClockRate: number
  /** Payload types by which the peer may send telephone events. */
  dtmfAccepts: readonly number[]
  /** Whether our keys go into the media, or the signalling sends them (SIP INFO). Default: media. */
  digitsBy?: 'media' | 'signalling'
  /** How long the packets are that the peer wants. */
  ptimeMs: number
  /** Keys of both directions, or null for plain RTP. Not to be logged. */
  srtp: SrtpKeys | null
  /** As seen from our side. `sendrecv` unless held. */
  direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
}

export type MediaCommand =
  /**
   * Binds an RTP/RTCP port pair; answered by `opened` or `failed`. Without `talk` the leg neither hears nor speaks, and
   * only a bridge gives it a voice. `beside`: a leg that this one is to be bridged with.
   */
  | {
      type: 'open'
      legId: string
      address: string
      talk: TalkOptions | null
      recordTo: string | null
      beside?: string | null
    }
  /**
   * Starts or changes the stream. `early`: before the answer, so that nothing is spoken, heard as a turn or recorded
   * yet; recording runs from the first `connect` without it.
   */
  | { type: 'connect'; legId: string; agreement: MediaAgreement; early?: boolean }
  /** The peer pressed a key, and its signalling says so (SIP INFO). */
  | { type: 'digit'; legId: string; digit: string }
  /** The keys of the oldest `signalDigits` have been sent. */
  | { type: 'digitsSignalled'; legId: string }
  | { type: 'talk'; legId: string; command: TalkCommand }
  /**
   * Lets `legId` hear how `targetLegId` rings, while it is still talked with; `joined` ends the talking for good, and
   * each hears the other. Both were opened, the target beside the leg.
   */
  | { type: 'bridge'; legId: string; targetLegId: string; stage: 'ringing' | 'joined' }
  /** The target did not answer: the leg is talked with as before. A joined leg stays joined. */
  | { type: 'unbridge'; legId: string }
  /** Ends the leg; answered by `closed`. Its ports drain before they are reused. */
  | { type: 'close'; legId: string }

/** How a leg sounded: over the last interval, or over the whole call. */
export interface MediaQuality extends QualityReport {
  span: 'interval' | 'call'
}

export interface RecordingFile {
  path: string
  durationMs: number
  bytes: number
}

export type MediaEvent =
  | { type: 'opened'; legId: string; port: number; recognizer: 'phrases' | 'free' }
  | { type: 'failed'; legId: string; reason: string }
  | { type: 'talk'; legId: string; event: TalkEvent }
  /** Keys that the signalling is to send now (`0-9*#A-Dw`); answered by `digitsSignalled`. */
  | { type: 'signalDigits'; legId: string; digits: string }
  /** Nothing received for the media timeout. */
  | { type: 'mediaLost'; legId: string; silentMs: number }
  /** The quality has changed by a class since it was last told (looked at every 10 s). */
  | { type: 'quality'; legId: string; quality: MediaQuality }
  /** `quality` of the whole call; null when nothing was ever sent or received. */
  | { type: 'closed'; legId: string; recording: RecordingFile | null; quality: MediaQuality | null }

/** The media plane of one node: sessions spread over worker threads. */
export interface MediaPlane {
  post(command: MediaCommand): void
  subscribe(legId: string, listener: (event: MediaEvent) => void): () => void
  /** Open sessions, for tests and capacity. */
  readonly sessions: number
  /** How busy its workers are. New legs are not to be asked of one that is overloaded. */
  readonly load: PlaneLoad
  close(): Promise<void>
}

export interface MediaPlaneOptions {
  workers: number
  /** First and last UDP port (RTP even, RTCP odd), or null: any free pair of the system (loopback, tests). */
  ports: { first: number; last: number } | null
  engine: 'embedded' | 'tone'
  /** Engines beside it, for the calls that name them. */
  speech?: ConfiguredSpeech
  /** Media timeout, milliseconds: before the first packet, and after it. */
  firstPacketTimeoutMs: number
  packetTimeoutMs: number
  /** What Opus may spend on encoding, 0–10. Default 5. */
  opusComplexity?: number
}

// Every named shape of the wire, by the name that the documentation and the SDK give it.
import {
  AuditEvent,
  ConsentCheck,
  ConsentRecord,
  OptOut,
  Key,
  KeyWithToken,
  Message,
  Transaction,
  Usage,
} from './account.ts'
import { Call, Transcript, TranscriptTurn } from './call.ts'
import { CallEvent } from './call-event.ts'
import { Connection, ConnectionWithSecret } from './connection.ts'
import { FeedEvent } from './feed.ts'
import { Language, PhoneNumber, Quote, Voice } from './number.ts'
import { Receipt, ReceiptItem } from './receipt.ts'
import { Delivery, Replayed, WebhookEndpoint } from './webhook.ts'

export const shapes = {
  Call,
  CallEvent,
  Transcript,
  TranscriptTurn,
  PhoneNumber,
  Quote,
  Voice,
  Language,
  Connection,
  ConnectionWithSecret,
  Key,
  KeyWithToken,
  ConsentRecord,
  OptOut,
  ConsentCheck,
  Usage,
  Transaction,
  Receipt,
  ReceiptItem,
  WebhookEndpoint,
  Delivery,
  Replayed,
  FeedEvent,
  AuditEvent,
  Message,
} as const

// The wire as one table, in the order in which it is read. Routes, SDK types, OpenAPI and docs are functions of it.
import * as account from './endpoints/account.ts'
import * as calls from './endpoints/calls.ts'
import * as connections from './endpoints/connections.ts'
import * as numbers from './endpoints/numbers.ts'
import * as platform from './endpoints/platform.ts'
import * as webhooks from './endpoints/webhooks.ts'

export const endpoints = {
  placeCall: calls.placeCall,
  endCall: calls.endCall,
  transferCall: calls.transferCall,
  speakOnCall: calls.speakOnCall,
  sendDtmf: calls.sendDtmf,
  getCall: calls.getCall,
  listCalls: calls.listCalls,
  getTranscript: calls.getTranscript,
  getRecording: calls.getRecording,
  listCallEvents: calls.listCallEvents,
  getCallSip: calls.getCallSip,
  listNumbers: numbers.listNumbers,
  getNumber: numbers.getNumber,
  provisionNumber: numbers.provisionNumber,
  releaseNumber: numbers.releaseNumber,
  bindConnection: numbers.bindConnection,
  setNumberWebhook: numbers.setNumberWebhook,
  setCallerId: numbers.setCallerId,
  setSmsSender: numbers.setSmsSender,
  listConnections: connections.listConnections,
  getConnection: connections.getConnection,
  createConnection: connections.createConnection,
  updateConnection: connections.updateConnection,
  deleteConnection: connections.deleteConnection,
  rotateConnectionSecret: connections.rotateConnectionSecret,
  listConsent: account.listConsent,
  checkConsent: account.checkConsent,
  recordConsent: account.recordConsent,
  revokeConsent: account.revokeConsent,
  listOptOuts: account.listOptOuts,
  recordOptOut: account.recordOptOut,
  getUsage: account.getUsage,
  listTransactions: account.listTransactions,
  getReceipt: account.getReceipt,
  listKeys: account.listKeys,
  mintKey: account.mintKey,
  revokeKey: account.revokeKey,
  listAuditEvents: account.listAuditEvents,
  listWebhooks: webhooks.listWebhooks,
  createWebhook: webhooks.createWebhook,
  deleteWebhook: webhooks.deleteWebhook,
  rotateWebhookSecret: webhooks.rotateWebhookSecret,
  listDeliveries: webhooks.listDeliveries,
  testWebhook: webhooks.testWebhook,
  replayDelivery: webhooks.replayDelivery,
  replayDeliveries: webhooks.replayDeliveries,
  listEvents: webhooks.listEvents,
  placeSandboxCall: platform.placeSandboxCall,
  getQuote: platform.getQuote,
  listVoices: platform.listVoices,
  listLanguages: platform.listLanguages,
  getHealth: platform.getHealth,
  getReady: platform.getReady,
  getMetrics: platform.getMetrics,
  getOpenapi: platform.getOpenapi,
  getDocs: platform.getDocs,
} as const

export type Endpoints = typeof endpoints
export type EndpointName = keyof Endpoints

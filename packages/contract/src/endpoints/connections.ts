// Connections: the handlers that talk.
import { endpoint, json, page } from '../endpoint.ts'
import {
  Connection,
  ConnectionWithSecret,
  createConnectionBody,
  updateConnectionBody,
} from '../shapes/connection.ts'
import { Deleted } from '../shapes/number.ts'
import { listQuery } from '../shapes/query.ts'

export const listConnections = endpoint({
  name: 'listConnections',
  resource: 'Connections',
  method: 'GET',
  path: '/connections',
  summary: 'List connections',
  scope: 'connections:read',
  query: listQuery,
  success: page(Connection),
  errors: [],
})

export const getConnection = endpoint({
  name: 'getConnection',
  resource: 'Connections',
  method: 'GET',
  path: '/connections/:id',
  summary: 'Read a connection',
  scope: 'connections:read',
  success: json(200, Connection),
  errors: ['ConnectionNotFound'],
})

export const createConnection = endpoint({
  name: 'createConnection',
  resource: 'Connections',
  method: 'POST',
  path: '/connections',
  summary: 'Create a connection',
  description: 'In manual mode the answer shows `manualSecret`, this once.',
  scope: 'connections:write',
  body: createConnectionBody,
  success: json(201, ConnectionWithSecret),
  errors: ['UnsupportedVoice', 'UnsupportedModel'],
  secretFields: ['manualSecret'],
})

export const updateConnection = endpoint({
  name: 'updateConnection',
  resource: 'Connections',
  method: 'PATCH',
  path: '/connections/:id',
  summary: 'Change a connection',
  description:
    'An absent field stays as it is, `null` brings its default back, an object replaces the stored one whole. Switching to manual mode shows `manualSecret`, this once.',
  scope: 'connections:write',
  body: updateConnectionBody,
  success: json(200, ConnectionWithSecret),
  errors: ['ConnectionNotFound', 'UnsupportedVoice', 'UnsupportedModel'],
  secretFields: ['manualSecret'],
})

export const deleteConnection = endpoint({
  name: 'deleteConnection',
  resource: 'Connections',
  method: 'DELETE',
  path: '/connections/:id',
  summary: 'Delete a connection',
  scope: 'connections:write',
  success: json(200, Deleted),
  errors: ['ConnectionNotFound'],
})

export const rotateConnectionSecret = endpoint({
  name: 'rotateConnectionSecret',
  resource: 'Connections',
  method: 'POST',
  path: '/connections/:id/rotate-secret',
  summary: 'Get a new manual secret',
  description: 'The new secret is shown this once; the old one is good for 24 hours more.',
  scope: 'connections:write',
  success: json(200, ConnectionWithSecret),
  errors: ['ConnectionNotFound'],
  secretFields: ['manualSecret'],
})

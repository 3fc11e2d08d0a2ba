/** The protocol client of `ringdesk.v1` for browsers: shared by the widget and the console. */

export * from './wire.ts';
export * from './link.ts';
export * from './outbox.ts';
export * from './talk.ts';
export * from './record.ts';
export * from './visitor.ts';
export { Agent } from './agent.ts';
export type { AgentOptions, Served } from './agent.ts';
export * from './links.ts';

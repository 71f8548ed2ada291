// What trunkline.js exports. Needs TypeScript's "DOM" library.

/** What a peer announces where nothing else is said: an object that can be written as JSON. */
export type Data = { readonly [name: string]: unknown };

/** Why a peer was not reached, or a message not delivered. */
export type Reason =
  | 'no-match'
  | 'declined'
  | 'gone'
  | 'suspended'
  | 'unreachable'
  | 'overloaded'
  | 'timeout';

/** Why a coupling has failed; a `code` of an error where there is no reason. */
export type FailReason = Reason | 'no-path' | 'negotiation' | 'dialect' | (string & {});

export class SignallingError extends Error {
  private constructor();
  /** Where a peer or a message is concerned. */
  readonly reason?: Reason;
  /** Where a frame or the connection is concerned: `id-in-use`, `too-long`, `not-announced`, a close code, … */
  readonly code?: string | number;
  /** The peer that has declined, or that the message was for. */
  readonly peer?: string;
  /** Whether the same may go well later. */
  readonly temporary?: boolean;
}

/** Somebody in the room. */
export interface Member<D = Data> {
  readonly id: string;
  readonly data: D;
  /** Its connection is lost, and it may return. */
  readonly suspended: boolean;
  /** Another dialect than ours, such as `rtc.io`. */
  readonly dialect?: string;
}

export interface Peer<D = Data> {
  readonly id: string;
  readonly data: D;
}

export type SignallerState = 'connecting' | 'connected' | 'announced' | 'reconnecting' | 'closed';

export interface StateDetail {
  readonly state: SignallerState;
  /** Of the close that has led to it; `id-in-use` with `connected`, where another peer has got the id. */
  readonly code?: string | number;
  readonly reason?: string;
  /** In milliseconds, until the connection is tried again. */
  readonly delay?: number;
  /** With `connected`: the session, the node and its region. */
  readonly session?: string;
  readonly node?: string;
  readonly region?: string;
  /** With `announced`: the id that others know this peer by. */
  readonly peer?: string;
}

export interface MessageDetail {
  readonly from: string;
  /** As JSON gives it back. */
  readonly body: unknown;
  /** Whether everybody in the room was told. */
  readonly isBroadcast: boolean;
}

/** A peer asks whether this one will talk. Unless a listener decides, or prevents the default, it is told yes. */
export interface RequestedEvent<D = Data> extends Event {
  readonly detail: { readonly id: string; readonly data: D; readonly request: string };
  readonly isAnswered: boolean;
  accept(): void;
  decline(reason?: string): void;
}

export interface SignallerEventMap<D = Data> {
  joined: CustomEvent<Member<D>>;
  updated: CustomEvent<Member<D>>;
  suspended: CustomEvent<Member<D>>;
  resumed: CustomEvent<Member<D>>;
  left: CustomEvent<Member<D> & { readonly reason: 'left' | 'expired' | 'unheard' }>;
  message: CustomEvent<MessageDetail>;
  requested: RequestedEvent<D>;
  state: CustomEvent<StateDetail>;
  iceservers: CustomEvent<{ readonly iceServers: RTCIceServer[]; readonly ttl: number }>;
  /** Also `id-in-use` where another peer has got the id meanwhile: then this one is in no room until it announces again. */
  error: CustomEvent<SignallingError>;
}

export interface SignallerOptions {
  room: string;
  /** The id that others know this peer by; the node gives one to who names none. */
  id?: string;
  /** Tells who this is, where a node wants to know; 4096 bytes at most. */
  token?: string;
  /** Where a reloaded page finds who it was; `sessionStorage` unless said otherwise, `null` for nowhere. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
}

export interface RequestOptions {
  /** In milliseconds: 4000 unless said otherwise, 60000 at most. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Data that a peer has to have announced, or `{ peer: id }`, or an id. */
export type Match = object | string;

interface Listening<Events> {
  addEventListener<K extends keyof Events & string>(
    type: K,
    listener: ((event: Events[K]) => unknown) | { handleEvent(event: Events[K]): unknown } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof Events & string>(
    type: K,
    listener: ((event: Events[K]) => unknown) | { handleEvent(event: Events[K]): unknown } | null,
    options?: boolean | EventListenerOptions,
  ): void;
  dispatchEvent(event: Event): boolean;
}

/** A peer in a room. `D` is what peers announce. */
export interface Signaller<D = Data> extends Listening<SignallerEventMap<D>> {
  readonly id: string | null;
  readonly state: SignallerState;
  /** The others in the room, by their ids. */
  readonly members: ReadonlyMap<string, Member<D>>;
  readonly iceServers: readonly RTCIceServer[];
  /** Enters the room, or tells it of other data, 4096 bytes at most. Resolves with the others. */
  announce(data?: D): Promise<ReadonlyMap<string, Member<D>>>;
  /** Asks for a peer that will talk. Rejects with a `reason`; with a `code` where more is asked for than 4096 bytes. */
  request(match: Match, options?: RequestOptions): Promise<Peer<D>>;
  /** Resolves when the receiver has it. Rejects with a `reason`. */
  send(to: string, body: unknown): Promise<void>;
  /** Says something to everybody who is there. */
  broadcast(body: unknown): void;
  /** Leaves the room, which a later `announce` enters again. Without a connection, the others are told after the window. */
  leave(): void;
  /** Leaves, and ends the connection. */
  close(): void;
}

/** A peer in a room of a node's; it connects at once, and comes back by itself. */
export function signaller<D = Data>(url: string | URL, options: SignallerOptions): Signaller<D>;

/** A connection that has the node's STUN and TURN servers, now and when they change, beside those that are given. */
export function createConnection<D = Data>(
  options: { signaller: Signaller<D> } & RTCConfiguration,
): RTCPeerConnection;

export type CouplingState = 'requesting' | 'negotiating' | 'connecting' | 'active' | 'failed' | 'closed';

export interface CandidateEnd {
  readonly type: RTCIceCandidateType;
  readonly protocol?: string;
  readonly relayProtocol?: string;
  readonly address?: string;
  readonly port?: number;
}

export interface CandidatePair {
  readonly local: CandidateEnd;
  readonly remote: CandidateEnd;
  readonly isRelayed: boolean;
  /** In seconds. */
  readonly roundTripTime?: number;
}

export interface CouplingEventMap {
  statechange: CustomEvent<{ readonly state: CouplingState }>;
  icecandidatepair: CustomEvent<CandidatePair>;
  /** There is a path; also when it is back after it was lost. */
  active: CustomEvent<{ readonly peer: string }>;
  failed: CustomEvent<{ readonly reason: FailReason; readonly message: string; readonly peer: string | null }>;
  closed: CustomEvent<{ readonly by: 'self' | 'peer'; readonly peer: string | null }>;
}

/** A connection on its way to a peer, and then with it. When it ends, the connection is closed. */
export interface Coupling<D = Data> extends Listening<CouplingEventMap> {
  readonly state: CouplingState;
  readonly connection: RTCPeerConnection;
  /** Known from `negotiating` on. */
  readonly peer: string | null;
  readonly data: D | null;
  /** Why it has failed. */
  readonly reason: FailReason | null;
  readonly isOver: boolean;
  close(): void;
}

/** Couples a connection with a peer that matches. */
export function couple<D = Data>(
  connection: RTCPeerConnection,
  match: Match,
  signaller: Signaller<D>,
  options?: { timeout?: number },
): Coupling<D>;

type Answer = RTCPeerConnection | null | undefined | void;

export interface Answering<D = Data> extends Listening<{ coupling: CustomEvent<Coupling<D>> }> {
  /** From now on nothing becomes of requests. */
  close(): void;
}

/**
 * Takes requests: the handler is given who asks, and gives a connection to take it with, or nothing to decline it; or a
 * promise of either. It declines by throwing, too.
 */
export function answer<D = Data>(
  signaller: Signaller<D>,
  handler: (from: Peer<D>) => Answer | Promise<Answer>,
): Answering<D>;
